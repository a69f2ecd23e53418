"""The command line and the environment of an attempt."""

from pathlib import Path

from vlad.policy.attempt import attempt_argv, job_environment
from vlad.records.progress import CheckpointSaved
from vlad.records.spec import Kind, RunSpec

RUN_ID = "20261122-0931-demo-7f3a"
SAVED = CheckpointSaved(at=0, step=5, path="/adapters/step-5")


def spec(kind: Kind = Kind.TRAIN, environment: dict[str, str] | None = None) -> RunSpec:
    return RunSpec(
        run_id=RUN_ID, name="demo", kind=kind, argv=("torchrun", "-m", "vlatrain"), cwd="/", created_at=0,
        created_by="me", host="here", environment=environment or {},
    )  # fmt: skip


def test_a_trainer_goes_on_from_its_last_checkpoint() -> None:
    assert attempt_argv(spec(), SAVED) == (*spec().argv, "--resume_adapter_dir", "/adapters/step-5")


def test_without_a_checkpoint_the_command_is_the_specs() -> None:
    assert attempt_argv(spec(), None) == spec().argv


def test_a_foreign_command_is_never_changed() -> None:
    assert attempt_argv(spec(Kind.COMMAND), SAVED) == spec().argv


def test_the_job_knows_its_run_and_its_attempt() -> None:
    environment = job_environment({}, spec(), Path("/home/runs/r"), 3)
    assert environment["VLAD_RUN_ID"] == RUN_ID
    assert environment["VLAD_RUN_DIR"] == "/home/runs/r"
    assert environment["VLAD_ATTEMPT"] == "3"
    assert environment["PET_LOG_DIR"] == "/home/runs/r/attempts/3/ranks"


def test_the_spec_wins_over_what_is_inherited_but_not_over_the_runs_names() -> None:
    chosen = {"A": "spec", "VLAD_RUN_ID": "forged"}
    environment = job_environment({"A": "inherited", "B": "inherited"}, spec(environment=chosen), Path("/r"), 1)
    assert (environment["A"], environment["B"], environment["VLAD_RUN_ID"]) == ("spec", "inherited", RUN_ID)


def test_what_belongs_to_the_terminal_or_to_another_run_is_not_inherited() -> None:
    around = {"TMUX": "x", "SSH_TTY": "x", "VLAD_SUPERVISES": "x", "VLAD_RUN_DIR": "x", "VLAD_FAILPOINTS": "x"}
    kept = {"HF_TOKEN": "secret", "VLAD_HOME": "/h", "VLAD_PROJECT_ROOT": "/p"}
    environment = job_environment({**around, **kept}, spec(), Path("/r"), 1)
    assert {name: environment.get(name) for name in kept} == kept
    assert not {"TMUX", "SSH_TTY", "VLAD_SUPERVISES", "VLAD_FAILPOINTS"} & set(environment)
