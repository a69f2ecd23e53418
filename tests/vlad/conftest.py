"""Fixtures of the supervisor's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Story, Vlad
from hypothesis import settings
from supervised_runs import Lab
from vlad.records.outcome import Cause, Diagnosis, Evidence
from vlad.records.progress import CheckpointSaved, Evaluation, Phase, PhaseChange, Plan, Step, Warned
from vlad.records.run import State
from vlad.records.spec import ConfigValue, Kind

settings.register_profile("any machine", deadline=None)  # tests assert structure, not how fast a machine is
settings.load_profile("any machine")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Starts runs in a home of their own, and ends all their processes after the test."""
    monkeypatch.setenv("VLAD_HOME", str(tmp_path / "home"))
    laboratory = Lab(tmp_path)
    yield laboratory
    laboratory.close()


@pytest.fixture
def vlad(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[Vlad]:
    """The vlad command in the home of `lab`."""
    command = Vlad(lab, capsys)
    yield command
    command.remember_runs()


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
