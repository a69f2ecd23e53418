"""The vlad command: help, refusals in one line, and what its verbs print about runs."""

import time
from pathlib import Path

import pytest
from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.commands.verbs import MEANT, VERBS

# Words


def test_help_lists_every_verb(vlad: Vlad) -> None:
    for words in ([], ["--help"], ["help"]):
        answer = vlad(*words)
        assert answer.code == 0
        assert all(f"\n  {verb} " in answer.out for verb in VERBS)
        assert max(map(len, answer.out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(vlad: Vlad, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        vlad("help", verb)
    out = capsys.readouterr().out
    assert exited.value.code == 0
    assert f"usage: vlad {verb}" in out
    assert f"vlad {verb}" in out.split("examples:")[1]


def test_the_version_is_told(vlad: Vlad) -> None:
    assert vlad("--version").out.startswith("vlad 0.")


REFUSALS = {
    "no such verb": (["strat"], "did you mean `vlad start`"),
    "a word of other tools": (["follow"], "did you mean `vlad logs -f`?"),
    "no word at all": (["bogus"], "'bogus' is no verb; `vlad --help` lists them"),
    "misspelt option": (["ls", "--jsn"], "did you mean --json?"),
    "no such option": (["ls", "--al"], "--al"),
    "missing run": (["show"], "RUN"),
    "no runs": (["show", "last"], "there are no runs"),
    "path as run": (["show", "../../etc"], "there are no runs"),
    "run for a folder of adapters": (["adapters", "spatial"], "spatial: no such folder; `vlad adapters --run RUN`"),
    "lines that are no number": (["logs", "-n", "x", "last"], "'x' is neither a number of lines nor `all`"),
    "negative time": (["wait", "--timeout=-1", "last"], "is no number of seconds"),
    "time that is no number": (["wait", "--timeout=nan", "last"], "is no number of seconds"),
    "no command": (["start", "--"], "nothing stands after --"),
    "command not found": (["start", "--", "no-such-program"], "no-such-program: command not found"),
    "name of the newest run": (["start", "--name", "last", "--", "true"], "it always means the newest run"),
    "name like a path": (["start", "--name", "../x", "--", "true"], "'../x' is not allowed"),
    "name like an option": (["start", "--name=-x", "--", "true"], "'-x' is not allowed"),
    "configuration with a command": (["start", "--config", "a.yaml", "--", "true"], "--config is for our trainer"),
    "figures with a command": (["start", "8", "--", "true"], "8 is for our trainer"),
    "no such Python": (["start", "--python", "no-such-python"], "--python no-such-python: no such program"),
    "program without --": (["start", "python", "train.py"], "which comes after --: `vlad start -- python train.py`"),
    "script without --": (["start", "train.py"], "`vlad start -- train.py`"),
    "program with options without --": (["start", "torchrun", "--nproc-per-node", "8"], "a program comes after --"),
    "configuration without --config": (["start", "good.yaml"], "a configuration is named by --config good.yaml"),
    "field as an option": (["config", "--learning_rate", "2e-4"], "a field of the configuration is --set FIELD=VALUE"),
    "missing folder": (["start", "--folder", "nowhere", "--", "true"], "nowhere: no such folder"),
    "folder without a command": (["start", "--folder", "."], "--folder is for a command after --"),
    "NPROC of zero": (["start", "0"], "NPROC"),
    "steps in words": (["start", "auto", "many"], "TARGET_STEPS 'many'"),
    "too many figures": (["start", "1", "2", "3", "4", "5", "6"], "too many"),
    "set without value": (["start", "--set", "batch_size"], "--set batch_size: it must be field=value"),
    "restarts in words": (["start", "--restarts", "x", "--", "true"], "'x' is no number of restarts"),
    "missing file": (["start", "--config", "missing.yaml"], "missing.yaml"),
    "unknown field": (["start", "--set", "bacth_size=4", "--config", "good.yaml"], "did you mean batch_size"),
    "wrong type": (
        ["start", "--set", "batch_size=four", "--config", "good.yaml"],
        "--batch_size 'four': it must be a whole number",
    ),
    "unknown key": (["start", "--config", "unknown_key.yaml"], "unknown_key.yaml:2"),
    "evaluation between saves": (["start", "--config", "uneven.yaml"], "eval_every_steps"),
    "missing model": (["start", "--config", "good.yaml"], "--vla_path no/such/model"),
}
CONFIGS = {
    "good.yaml": "vla_path: no/such/model\n",
    "unknown_key.yaml": "vla_path: no/such/model\nlerning_rate: 2e-4\n",
    "uneven.yaml": "enable_periodic_eval: true\nsave_steps: 1000\neval_every_steps: 1500\n",
}


@pytest.mark.parametrize(("words", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing_behind(
    vlad: Vlad, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, content in CONFIGS.items():
        (work / name).write_text(content)
    monkeypatch.chdir(work)
    answer = vlad(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("vlad: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not list(lab.home.runs.iterdir())
    assert sorted(path.name for path in work.iterdir()) == sorted(CONFIGS)


def test_a_home_that_cannot_be_is_one_line(vlad: Vlad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLAD_HOME", "/dev/null/home")
    for words in (["ls"], ["start", "--", "true"]):
        answer = vlad(*words)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
        assert "/dev/null/home" in answer.err


def test_words_of_other_tools_lead_to_verbs_that_there_are() -> None:
    assert {told.split()[0] for told in MEANT.values()} <= set(VERBS)
    assert not set(MEANT) & set(VERBS)


# Names of runs


def test_last_is_the_run_that_was_made_last_even_within_a_minute(vlad: Vlad, lab: Lab) -> None:
    now = time.time()
    Story(lab, "zebra", now)
    Story(lab, "ant", now)
    assert vlad("show", "last", "--json").json["name"] == "ant"


def test_an_ambiguous_name_lists_the_candidates(vlad: Vlad, lab: Lab) -> None:
    Story(lab, "spatial-a")
    Story(lab, "spatial-b")
    answer = vlad("show", "spatial")
    assert answer.code == 2
    assert "fits 2 runs" in answer.err


# What is refused of runs that are there


def test_only_a_running_run_can_be_asked_to_save(vlad: Vlad, failed: Story) -> None:
    for verb in ("save", "evaluate"):
        answer = vlad(verb, "greedy")
        assert answer.code == 2
        assert f"only a running run can {verb}" in answer.err


def test_an_attempt_that_was_not_is_refused(vlad: Vlad, failed: Story) -> None:
    answer = vlad("logs", "--attempt", "2", "greedy")
    assert answer.code == 2
    assert "the attempts 1 to 1" in answer.err


def test_stopping_an_ended_run_is_no_error(vlad: Vlad, failed: Story) -> None:
    answer = vlad("stop", "greedy")
    assert answer.code == 0
    assert "FAILED already" in answer.err


def test_no_run_means_no_process(vlad: Vlad, training: Story) -> None:
    answer = vlad("ps", "spatial")
    assert (answer.code, answer.out) == (0, "")
