"""The vlad command: help, refusals in one line, and what its verbs print about runs."""

import time
from pathlib import Path
from typing import Any

import pytest
from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.commands.verbs import VERBS
from vlad.records.outcome import Cause, Diagnosis, Evidence
from vlad.records.progress import CheckpointSaved, Evaluation, Phase, PhaseChange, Plan, Reason, Step, Warned
from vlad.records.run import State
from vlad.records.spec import ConfigValue, Kind


def evaluation(step: int, rate: float, bad: int = 0) -> Evaluation:
    return Evaluation(
        at=2.0, step=step, suite="libero_spatial", successes=int(rate / 10), episodes=10, success_rate=rate, low=10.0,
        high=90.0, best=rate, best_step=step, bad_evaluations=bad, patience=5,
    )  # fmt: skip


@pytest.fixture
def training(lab: Lab) -> Story:
    """A training run on another host, at step 40 of 100."""
    config = {
        "learning_rate": ConfigValue(value=2e-4, origin="my.yaml:3"),
        "batch_size": ConfigValue(value=4, origin="command line"),
        "prompt_template": ConfigValue(value="In:\nOut:", origin="default"),
    }
    story = Story(lab, "spatial", kind=Kind.TRAIN, nproc=2, tty="/dev/pts/7", config=config, config_file="/my.yaml")
    return story.attempt(b"loading\nstep 40\n").reported(
        Plan(at=1, max_steps=100, ranks=2, patience=5),
        PhaseChange(at=2, phase=Phase.TRAINING),
        Step(at=3, step=40, loss=0.25, step_s=2.0),
        CheckpointSaved(at=4, step=40, path="/adapters/40", is_best=True),
        Warned(at=4, message="one episode is 10 points"),
        evaluation(40, 60.0, bad=2),
    )


@pytest.fixture
def failed(lab: Lab) -> Story:
    diagnosis = Diagnosis(
        cause=Cause.CUDA_OUT_OF_MEMORY, summary="CUDA ran out of memory", confidence="certain", rank=1,
        evidence=(
            Evidence(file="attempts/1/console.log", offset=17, text="\x1b[2Jan allocation failed"),
            Evidence(file="attempts/1/console.log", offset=40, text="the next line"),
        ),
        advice="lower batch_size",
    )  # fmt: skip
    story = Story(lab, "greedy").attempt(b"x").ended(diagnosis, code=1)
    return story.moved(State.FAILED, why="CUDA ran out of memory; 6 attempts in a row without a new checkpoint")


# Words


def test_help_lists_every_verb(vlad: Vlad) -> None:
    for words in ([], ["--help"], ["help"]):
        answer = vlad(*words)
        assert answer.code == 0
        assert all(f"\n  {verb} " in answer.out for verb in VERBS)


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
    "no such option": (["ls", "--al"], "--al"),
    "missing run": (["show"], "RUN"),
    "no runs": (["show", "last"], "there are no runs"),
    "path as run": (["show", "../../etc"], "there are no runs"),
    "lines that are no number": (["logs", "-n", "x", "last"], "'x' is neither a number of lines nor `all`"),
    "negative time": (["wait", "--timeout=-1", "last"], "is no number of seconds"),
    "no command": (["start", "--"], "nothing stands after --"),
    "command not found": (["start", "--", "no-such-program"], "no-such-program: command not found"),
    "name like a path": (["start", "--name", "../x", "--", "true"], "'../x' is not allowed"),
    "name like an option": (["start", "--name=-x", "--", "true"], "'-x' is not allowed"),
    "configuration with a command": (["start", "--config", "a.yaml", "--", "true"], "--config is for our trainer"),
    "figures with a command": (["start", "8", "--", "true"], "8 is for our trainer"),
    "no such Python": (["start", "--python", "no-such-python"], "--python no-such-python: no such program"),
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


# ls


def test_without_runs_it_says_how_to_start_one(vlad: Vlad) -> None:
    answer = vlad("ls")
    assert (answer.code, answer.out) == (0, "")
    assert "`vlad start`" in answer.err


def test_a_running_run_is_one_line_of_figures(vlad: Vlad, training: Story) -> None:
    titles, line = vlad("ls").out.splitlines()
    assert titles.split() == ["RUN", "STATE", "STEP", "ETA", "LOSS", "SUCCESS", "STOP", "RANKS", "TTY", "AGE"]
    assert line.split() == [
        training.run.run_id, "RUNNING", "training", "40/100", "2m", "00s", "0.2500", "60%", "of", "10", "2/5", "2",
        "pts/7", "0s",
    ]  # fmt: skip


def test_runs_are_listed_live_ones_first_then_by_age(vlad: Vlad, lab: Lab) -> None:
    old = Story(lab, "zebra").attempt()
    done = Story(lab, "done").attempt().ended(code=0).moved(State.SUCCEEDED, reason=Reason.EARLY_STOP)
    new = Story(lab, "ant").attempt()
    lines = vlad("ls").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [story.run.run_id for story in (new, old, done)]
    assert "SUCCEEDED early stop" in lines[2]


def test_of_ended_runs_only_the_last_few_are_read(vlad: Vlad, lab: Lab) -> None:
    now = time.time()
    for number in range(8):
        story = Story(lab, f"run{number}", now - 600 * (8 - number)).attempt().ended(code=0)
        story.moved(State.SUCCEEDED)
        if number < 3:
            story.run.state.write_bytes(b"\0" * 100)
            story.run.events.write_bytes(b"")
    few, every = vlad("ls"), vlad("ls", "--all")
    assert few.err == ""
    assert len(few.out.splitlines()) == 1 + 5
    assert every.err.count("neither a readable state.json nor a journal") == 3


def test_the_list_as_json_has_record_progress_and_eta(vlad: Vlad, training: Story) -> None:
    (one,) = vlad("ls", "--json").json
    assert (one["run_id"], one["state"], one["eta_s"]) == (training.run.run_id, "RUNNING", 120.0)
    assert one["progress"]["loss"] == 0.25


def test_a_failed_run_shows_its_cause(vlad: Vlad, failed: Story, lab: Lab) -> None:
    bare = Diagnosis(cause=Cause.EXITED, summary="it ended with exit code 3")
    Story(lab, "bare").attempt().ended(bare, code=3).moved(State.FAILED)
    out = vlad("ls").out
    assert "FAILED cuda out of memory" in out
    assert "FAILED exit 3" in out


# show, why, config


def test_show_tells_everything_about_a_run(vlad: Vlad, training: Story) -> None:
    out = vlad("show", "spatial").out
    expected = (
        *("RUNNING training", "40/100", "2m 00s", "0.2500", "60% at step 40", "2/5", "step 40: /adapters/40"),
        *("one episode is 10 points", "6 of 10", "10% to 90%", "/my.yaml", "pts/7", str(training.run.path)),
    )
    for told in expected:
        assert told in out, told


def test_show_as_json_has_spec_and_evaluations(vlad: Vlad, training: Story) -> None:
    document = vlad("show", "last", "--json").json
    assert document["spec"]["kind"] == "train"
    assert document["evaluations"][0]["success_rate"] == 60.0
    assert document["directory"] == str(training.run.path)


def test_why_tells_cause_evidence_and_advice(vlad: Vlad, failed: Story) -> None:
    out = vlad("why", "greedy").out
    assert "CUDA_OUT_OF_MEMORY, certain, rank 1" in out
    assert f"{failed.run.path}/attempts/1/console.log:17" in out
    assert "an allocation failed\n" in out
    assert "the next line\n" in out
    assert "lower batch_size" in out
    assert "6 attempts in a row" in out
    assert "\x1b" not in out


def test_why_as_json(vlad: Vlad, failed: Story) -> None:
    document = vlad("why", "greedy", "--json").json
    assert document["attempts"][0]["diagnosis"]["cause"] == "CUDA_OUT_OF_MEMORY"


def test_why_of_a_healthy_run_says_how_it_stands(vlad: Vlad, training: Story) -> None:
    out = vlad("why", "spatial").out
    assert "RUNNING" in out
    assert "1  not ended" in out


def test_the_configuration_of_a_run_is_shown_with_origins(vlad: Vlad, training: Story) -> None:
    out = vlad("config", "spatial").out
    assert [line.split() for line in out.splitlines()] == [
        ["FIELD", "VALUE", "FROM"],
        ["learning_rate", "0.0002", "my.yaml:3"],
        ["batch_size", "4", "command", "line"],
        ["prompt_template", "In:\\nOut:", "default"],
    ]
    assert "default" not in vlad("config", "spatial", "--changed").out


def test_what_would_be_started_is_shown_with_origins(
    vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("batch_size: 2\nlearning_rate: 2e-4\n")
    monkeypatch.chdir(tmp_path)
    answer = vlad("config", "--config", "mine.yaml", "--set", "batch_size=3", "--json")
    config = answer.json["config"]
    assert config["batch_size"] == {"value": 3, "origin": "command line"}
    assert config["learning_rate"] == {"value": 2e-4, "origin": "mine.yaml:2"}


def test_a_command_has_no_configuration(vlad: Vlad, failed: Story) -> None:
    answer = vlad("config", "greedy")
    assert answer.code == 2
    assert "runs a command" in answer.err


def test_either_a_run_or_a_file_has_its_configuration_shown(vlad: Vlad, training: Story) -> None:
    assert vlad("config", "spatial", "--config", "x.yaml").code == 2


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


WAITS = {
    "succeeded": (State.SUCCEEDED, {"code": 0}, 0),
    "stopped": (State.STOPPED, {"signal": 15}, 130),
    "failed by code": (State.FAILED, {"code": 7}, 7),
    "failed by signal": (State.FAILED, {"signal": 9}, 137),
    "failed, exit unknown": (State.FAILED, {}, 1),
}


@pytest.mark.parametrize(("state", "how", "code"), WAITS.values(), ids=WAITS.keys())
def test_waiting_exits_with_the_outcome(vlad: Vlad, lab: Lab, state: State, how: dict[str, Any], code: int) -> None:
    story = Story(lab, "waited").attempt()
    if state is State.STOPPED:
        story.moved(State.STOPPING)
    story.ended(**how).moved(state)
    assert vlad("wait", "waited").code == code


def test_waiting_gives_up_after_its_time(vlad: Vlad, training: Story) -> None:
    answer = vlad("wait", "spatial", "--timeout", "0")
    assert answer.code == 124
    assert "not all have ended" in answer.err


def test_no_run_means_no_process(vlad: Vlad, training: Story) -> None:
    answer = vlad("ps", "spatial")
    assert (answer.code, answer.out) == (0, "")
