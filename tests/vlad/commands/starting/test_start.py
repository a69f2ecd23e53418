"""Starting runs: what is asked of the trainer, what is written down, what the job gets."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from command_line import Vlad
from patience import until
from supervised_runs import SUPPORT, Lab
from vlad.host.processes import signal_process
from vlad.records.run import State
from vlad.records.spec import ConfigValue, Kind, OnHang


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with a fake trainer; the file where it writes what it is asked stands beside it."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {SUPPORT / "fake_trainer.py"} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("FAKE_TRAINER_ASKED", str(tmp_path / "asked.jsonl"))
    monkeypatch.setenv("VLAD_PYTHON", str(python))
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HOME", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return python


def asked_of(python: Path) -> list[list[str]]:
    return [json.loads(line) for line in (python.parent / "asked.jsonl").read_text().splitlines()]


COMMANDS = {
    "success": ("echo out; echo err >&2", 0, State.SUCCEEDED),
    "exit 3": ("echo out; echo err >&2; exit 3", 3, State.FAILED),
    "killed": ("echo out; echo err >&2; kill -9 $$", 137, State.FAILED),
}


@pytest.mark.parametrize(("script", "code", "state"), COMMANDS.values(), ids=COMMANDS.keys())
def test_following_a_command_prints_its_log_and_exits_with_its_outcome(
    vlad: Vlad, lab: Lab, script: str, code: int, state: State
) -> None:
    answer = vlad("start", "--follow", "--", "bash", "-c", script)
    run_id, *log = answer.out.splitlines()
    assert (answer.code, log) == (code, ["out", "err"])
    record = lab.home.run(run_id).read_record()
    assert (record.state, len(record.attempts)) == (state, 1)


def test_a_command_runs_in_the_folder_that_is_named(vlad: Vlad, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    script = tmp_path / "work" / "train.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    answer = vlad("start", "--follow", "--folder", str(tmp_path / "work"), "--", "./train.sh")
    assert (answer.code, answer.out.splitlines()[1:]) == (0, [str(tmp_path / "work")])


def test_only_the_id_goes_to_stdout(vlad: Vlad, lab: Lab) -> None:
    answer = vlad("start", "--", "true")
    run = lab.home.find("last")
    assert answer.out == f"{run.run_id}\n"
    assert str(run.attempt(1).console) in answer.err
    assert f"vlad logs -f {run.run_id}" in answer.err


def test_started_as_json_tells_where_everything_is(vlad: Vlad) -> None:
    document = vlad("start", "--json", "--", "true").json
    assert Path(document["directory"]).is_dir()
    assert document["log"].startswith(document["directory"])


def test_a_command_is_written_down_as_it_was_given(vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = vlad.started("--", "bash", "-c", 'exit "$0"', "--name", "0").directory.read_spec()
    assert (spec.kind, spec.name) == (Kind.COMMAND, "bash")
    assert spec.argv == ("bash", "-c", 'exit "$0"', "--name", "0")
    assert spec.cwd == str(tmp_path)
    assert spec.restart.budget == 0
    assert spec.host == os.uname().nodename


def test_a_script_gives_its_name_and_torchrun_its_number_of_processes(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    torchrun = tmp_path / "torchrun"
    torchrun.write_text("#!/bin/sh\n")
    torchrun.chmod(0o755)
    spec = vlad.started(
        "--restarts", "2", "--", str(torchrun), "--nproc-per-node", "8", "my train.py"
    ).directory.read_spec()
    assert (spec.name, spec.nproc, spec.restart.budget) == ("my-train", 8, 2)


@pytest.mark.parametrize(("words", "graces"), [([], (120, 30, 10)), (["--grace", "0.5"], (120, 0.5, 10))])
def test_the_grace_of_each_rung_is_in_the_spec(vlad: Vlad, words: list[str], graces: tuple[float, ...]) -> None:
    ladder = vlad.started(*words, "--", "true").directory.read_spec().stop
    assert (ladder.request_grace_s, ladder.term_grace_s, ladder.kill_grace_s) == graces


def test_a_trainer_is_given_its_grace_for_saving(vlad: Vlad, trainer: Path) -> None:
    assert vlad.started("--python", str(trainer), "--grace", "600").directory.read_spec().stop.request_grace_s == 600


@pytest.mark.parametrize("grace", ["-1", "soon", "nan", "1e9"])
def test_a_grace_that_is_none_is_refused(vlad: Vlad, grace: str) -> None:
    answer = vlad("start", f"--grace={grace}", "--", "true")
    assert answer.code == 2
    assert "is no number of seconds from 0 to 86400" in answer.err


def test_a_run_may_be_a_part_of_another_that_there_is(vlad: Vlad, lab: Lab) -> None:
    whole = vlad.started("--name", "whole", "--", "true")
    part = vlad.started("--part-of", "whole", "--", "true")
    assert part.record.part_of == part.directory.read_spec().part_of == whole.directory.run_id
    refused = vlad("start", "--part-of", "nothing", "--", "true")
    assert (refused.code, refused.err) == (2, "vlad: no run fits 'nothing'; `vlad ls --all` lists them\n")
    assert len(lab.home.run_ids()) == 2


def test_secrets_reach_the_job_and_no_file(vlad: Vlad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret_value")
    monkeypatch.setenv("WANDB_API_KEY", "wandb_secret_value")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror")
    run = vlad.started("--", "bash", "-c", "test $HF_TOKEN = hf_secret_value && echo $HF_ENDPOINT")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "https://mirror\n"
    assert run.directory.read_spec().environment["HF_ENDPOINT"] == "https://mirror"
    for file in run.directory.path.rglob("*"):
        if file.is_file():
            assert b"_secret_value" not in file.read_bytes().replace(b"test $HF_TOKEN = hf_secret_value", b"")


def test_the_trainer_is_asked_with_what_was_given(vlad: Vlad, trainer: Path) -> None:
    figures = ("auto", "10000", "1000", "1000", "5")
    vlad.started(*figures, "--config", "my.yaml", "--profile", "v100_8gpu", "--set", "batch_size=4", "--name", "mine")
    asked = asked_of(trainer)[0]
    assert asked[:2] == ["-m", "vlatrain"]
    expected = {
        *("--print-config", "--json", "--check", "--nproc=auto", "my.yaml", "--max_steps=10000", "--save_steps=1000"),
        *("--enable_periodic_eval=true", "--eval_every_steps=1000", "--early_stopping_enabled=true"),
        *("--early_stopping_patience=5", "--server_profile=v100_8gpu", "--batch_size=4"),
    }
    assert set(asked[2:]) == expected


def test_figures_and_options_may_be_mixed(vlad: Vlad, trainer: Path) -> None:
    vlad.started("2", "--config", "my.yaml", "500")
    assert {"--nproc=2", "--max_steps=500"} <= set(asked_of(trainer)[0])


def test_without_configuration_the_original_one_is_taken_from_here_or_as_shipped(vlad: Vlad, trainer: Path) -> None:
    vlad.started()
    assert asked_of(trainer)[0][-1].endswith("/configs/method_icsm_hsw_thermostat.yaml")
    (trainer.parent / "configs").mkdir()
    (trainer.parent / "configs" / "method_icsm_hsw_thermostat.yaml").write_text("")
    vlad.started("--name", "here")
    assert "configs/method_icsm_hsw_thermostat.yaml" in [asked[-1] for asked in asked_of(trainer)]


def test_a_training_run_is_written_down_whole_and_launched_from_that(vlad: Vlad, trainer: Path) -> None:
    run = vlad.started("--config", "my.yaml")
    spec = run.directory.read_spec()
    assert (spec.kind, spec.name, spec.nproc) == (Kind.TRAIN, "libero_spatial-method", 3)
    assert spec.config["learning_rate"] == ConfigValue(value=2e-4, origin="profile 4090_1gpu")
    assert spec.config["hsw_layer_ids"].value == [-2, -1]
    assert spec.resume_from == "/adapters/500"
    assert spec.config_file == str(trainer.parent / "my.yaml")
    assert spec.packages["torch"] == "2.13.0"
    assert spec.restart.budget == 5
    assert run.until_ended().state is State.SUCCEEDED
    launched = asked_of(trainer)[-1]
    assert launched == [*spec.argv[1:]]
    assert launched[:2] == ["-m", "torch.distributed.run"]
    assert "--max-restarts=0" in launched
    assert launched[-3:] == ["-m", "vlatrain", str(run.directory.spec)]


def test_a_training_run_gets_the_environment_of_the_original_launcher(
    vlad: Vlad, trainer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = vlad.started("--config", "my.yaml")
    environment = run.directory.read_spec().environment
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
    run.until_ended()
    assert run.console() == "HF_HOME=/project/cache HF_TOKEN=None\n"
    monkeypatch.setenv("HF_HOME", "/mine")
    assert vlad.started("--name", "again").directory.read_spec().environment["HF_HOME"] == "/mine"


def test_warnings_of_the_configuration_and_what_it_goes_on_from_are_told(vlad: Vlad, trainer: Path) -> None:
    told = vlad("start", "--config", "my.yaml", "--resume", "newest").err
    assert "vlad: warning: a warning\n" in told
    assert "vlad: goes on from /adapters/500\n" in told
    assert "--resume=newest" in asked_of(trainer)[0]


def test_a_python_without_trainer_is_told_so(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    python = tmp_path / "bare-python"
    python.write_text("#!/bin/sh\necho 'python: No module named vlatrain' >&2\nexit 1\n")
    python.chmod(0o755)
    answer = vlad("start", "--python", str(python))
    assert answer.code == 2
    assert "has no trainer" in answer.err
    assert not list(lab.home.runs.iterdir())


def test_stop_resume_and_wait(vlad: Vlad) -> None:
    run = vlad.started("--name", "long", "--", "bash", "-c", "echo on; sleep 600")
    run.until_state(State.RUNNING)
    stopped = vlad("stop", "long")
    assert (stopped.code, run.record.state) == (0, State.STOPPED)
    assert "is asked to stop" in stopped.err
    assert vlad("resume", "long").code == 0
    run.until_state(State.RUNNING)
    assert len(run.record.attempts) == 2
    assert vlad("resume", "long").code == 2
    assert vlad("stop", "--now", "long").code == 0
    assert vlad("wait", "long").code == 130


def test_stopping_a_run_tells_of_what_works_for_it_and_goes_on(vlad: Vlad, lab: Lab) -> None:
    whole = vlad.started("--name", "whole", "--", "sleep", "600")
    part = vlad.started("--name", "part", "--part-of", "whole", "--", "sleep", "600").directory.run_id
    done = vlad("stop", "--now", "whole")
    assert done.code == 0
    assert f"vlad: {part} works for it and goes on; `vlad stop {part}` ends it, too\n" in done.err
    assert whole.record.state is State.STOPPED
    assert "works for it" not in vlad("stop", "--now", part).err


def test_the_processes_of_a_run_are_listed_with_their_roles(vlad: Vlad) -> None:
    run = vlad.started("--name", "seen", "--", "bash", "-c", "sleep 600 & RANK=1 LOCAL_RANK=1 setsid sleep 601")
    run.until_state(State.RUNNING)
    roles = ["keeper", "supervisor", "agent", "rank 1", "helper"]
    until(lambda: [one["role"] for one in vlad("ps", "--json").json] == roles, "bash and two sleeps, all executed")
    until(lambda: "sleep 601" in vlad("ps", "seen").out, "setsid has executed")
    listed = vlad("ps", "--json").json
    assert {one["pid"] for one in listed} == {*run.guards(), *run.workers()}
    assert all(one["memory_bytes"] > 0 and one["tty"] is None for one in listed)


def test_waiting_heals_a_run_whose_whole_guard_was_killed(vlad: Vlad, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = vlad.started("--name", "orphan", "--", "bash", "-c", f"until [ -e {gate} ]; do sleep 0.05; done")
    run.until_state(State.RUNNING)
    guards = run.guard()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for guard in guards:
            signal_process(guard, number)
    until(run.is_unguarded, "end of keeper and supervisor")
    assert vlad("wait", "orphan", "--timeout", "0.1").code == 124
    until(lambda: run.is_guarded_by(run.record), "a new keeper and supervisor")
    gate.touch()
    assert vlad("wait", "orphan").code in (0, 1)  # 1 where the kernel cannot tell the exit of a stranger


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param((), (OnHang.REPORT, None, 3600), id="default of a command"),
        pytest.param(("--hang-after", "20m"), (OnHang.REPORT, 1200, 3600), id="minutes"),
        pytest.param(("--hang-after", "2h", "--on-hang", "restart"), (OnHang.RESTART, 7200, 7200), id="hours"),
        pytest.param(("--on-hang", "nothing"), (OnHang.NOTHING, None, 3600), id="nothing"),
    ],
)
def test_what_counts_as_a_hang_is_in_the_spec(
    vlad: Vlad, words: tuple[str, ...], expected: tuple[OnHang, float | None, float]
) -> None:
    hang = vlad.started(*words, "--", "true").directory.read_spec().hang
    assert (hang.action, hang.after_s, hang.other_s) == expected


@pytest.mark.parametrize("word", ["20", "0m", "-3m", "m", "nanh", "infh", "3 weeks"])
def test_a_time_that_is_none_is_refused(vlad: Vlad, word: str) -> None:
    answer = vlad("start", "--hang-after", word, "--", "true")
    assert answer.code == 2
    assert f"{word!r} is no time" in answer.err or "expected one argument" in answer.err
    assert vlad.lab.home.run_ids() == []


def test_a_dry_run_tells_what_would_run_and_makes_nothing(vlad: Vlad, lab: Lab, trainer: Path) -> None:
    (trainer.parent / "my.yaml").write_text("batch_size: 2\n")
    words = ("start", "2", "500", "--config", "my.yaml", "--name", "mine", "--dry-run")
    assert vlad(*words).out.startswith("mine: ")
    told = vlad(*words, "--json").json
    assert (told["name"], told["gpus"]) == ("mine", None)
    assert "vlatrain" in told["argv"]
    assert lab.home.run_ids() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--gpus", "many", "--", "true"), "many"),
        (("--after", "nobody", "--", "true"), "there are no runs"),
        (("--", "/nowhere/program"), "command not found"),
    ],
)
def test_a_dry_run_refuses_what_a_start_would_refuse(vlad: Vlad, lab: Lab, words: tuple[str, ...], said: str) -> None:
    answer = vlad("start", "--dry-run", *words)
    assert answer.code == 2
    assert said in answer.err
