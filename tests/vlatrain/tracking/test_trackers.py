"""vlatrain.tracking: numbers reach TensorBoard, wandb and trackio, over resumes; none of them can stop training."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event
from training_runs import Run, Workshop
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.tfrecord import MappedFile, record_spans
from vlatrain.errors import ConfigError
from vlatrain.tracking.choice import TrackerName, chosen

STAND_IN = """
# notes every call in calls.jsonl beside this file; fails where it is told to
import json
import os
from pathlib import Path

PLACE = Path(__file__).parent / "calls.jsonl"

def note(call, *args, **kwargs):
    with PLACE.open("a") as file:
        file.write(json.dumps([call, args, kwargs]) + "\\n")
    if os.environ.get("STAND_IN_FAILS") == call:
        raise ConnectionError("no way to the server\\nand more")

class Settings(dict):
    pass

class Run:
    def define_metric(self, *args, **kwargs): note("define_metric", *args, **kwargs)
    def log(self, *args, **kwargs): note("log", *args, **kwargs)
    def finish(self, *args, **kwargs): note("finish", *args, **kwargs)

def init(**kwargs):
    note("init", **kwargs)
    return Run()

log, finish = Run().log, Run().finish
"""


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that programs find wandb and trackio in."""
    folder = tmp_path / "installed"
    folder.mkdir()
    names = ("wandb", "trackio")
    for name in names:
        (folder / f"{name}.py").write_text(STAND_IN)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in names:
        sys.modules.pop(name, None)


def calls(stand_ins: Path, kind: str) -> list[tuple[list[Any], dict[str, Any]]]:
    lines = (stand_ins / "calls.jsonl").read_text().splitlines()
    return [(args, kwargs) for call, args, kwargs in map(json.loads, lines) if call == kind]


def events(file: Path) -> list[Event]:
    mapped = MappedFile(file)
    return [Event.FromString(mapped.data[start:end]) for start, end in record_spans(mapped, verify=True)]


class Unsupervised(Run):
    """A run that nobody gave an id."""

    def _variables(self) -> dict[str, str]:
        return {}


def test_tensorboard_has_every_step_and_a_resume_voids_what_it_repeats(workshop: Workshop) -> None:
    settings: dict[str, Any] = {"max_steps": 3, "save_steps": 2, "enable_periodic_eval": True, "eval_every_steps": 2}
    run = workshop.run(**settings, trackers="tensorboard")
    assert run.train_here() == 0
    first_checkpoint = run.folder / "step-000002"
    assert run.train_here("--resume_adapter_dir", str(first_checkpoint)) == 0
    [folder] = (run.project / "runs").glob("*/tensorboard/*")
    assert folder.name == run.directory.run_id
    first, second = (events(file) for file in sorted(folder.iterdir()))
    told = [(event.step, value.tag) for event in first for value in event.summary.value]
    assert [step for step, tag in told if tag == "train/loss"] == [1, 2, 3]
    assert [step for step, tag in told if tag in ("eval/success_rate", "time/checkpoint_stall_s")] == [2, 2, 3, 3]
    assert [(event.step, event.session_log.status) for event in second if event.HasField("session_log")] == [(3, 1)]
    scalars = {value.tag: value.simple_value for event in first if event.step == 3 for value in event.summary.value}
    assert scalars["train/loss"] == pytest.approx(run.steps[2][1])
    assert scalars["eval/success_rate"] == 0.0
    assert {"train/learning_rate", "train/action_accuracy", "train/l1_loss", "time/step_s"} <= scalars.keys()


def test_a_resumed_run_goes_on_in_its_wandb_run(workshop: Workshop, stand_ins: Path) -> None:
    run = workshop.run(use_wandb=True, wandb_project="arms", wandb_entity="us", max_steps=2)
    assert run.train_here() == 0
    assert run.train_here(*run.resume(), "--max_steps", "4") == 0
    assert run.warnings == []
    first, second = (kwargs for _, kwargs in calls(stand_ins, "init"))
    assert (first["project"], first["entity"], first["resume"]) == ("arms", "us", "allow")
    assert first["id"] == second["id"] == run.directory.run_id
    assert first["config"]["lora_rank"] == 4
    assert [args[0]["step"] for args, _ in calls(stand_ins, "log") if "train/loss" in args[0]] == [1, 2, 3, 4]
    assert calls(stand_ins, "log")[0][0][0]["train/loss"] == run.steps[0][1]
    assert [kwargs for _, kwargs in calls(stand_ins, "finish")] == [{"exit_code": 0}] * 2


def test_without_a_supervisor_the_checkpoint_remembers_the_wandb_run(workshop: Workshop, stand_ins: Path) -> None:
    run = workshop.run(use_wandb=True, max_steps=1)
    assert run.train_here(VLAD_RUN_ID="first") == 0
    alone = Unsupervised(run.project, run.directory, run.settings)
    assert alone.train_here(*run.resume(), "--max_steps", "2") == 0
    assert [kwargs["id"] for _, kwargs in calls(stand_ins, "init")] == ["first"] * 2


def test_trackio_finds_its_run_by_name(workshop: Workshop, stand_ins: Path) -> None:
    run = workshop.run(trackers="trackio, tensorboard", max_steps=1)
    assert run.train_here() == 0
    [(_, opened)] = calls(stand_ins, "init")
    assert (opened["name"], opened["resume"]) == (run.directory.run_id, "allow")
    assert [kwargs["step"] for _, kwargs in calls(stand_ins, "log")] == [1, 1]  # the step, and its checkpoint's cost
    assert len(calls(stand_ins, "finish")) == 1


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ("init", "wandb does not track this run: ConnectionError: no way to the server"),
        ("log", "wandb fails, and is left out from here on: ConnectionError: no way to the server"),
        ("finish", "wandb could not end well: ConnectionError: no way to the server"),
    ],
)
def test_a_tracker_that_fails_is_one_warning_and_training_goes_on(
    workshop: Workshop, stand_ins: Path, fails: str, told: str
) -> None:
    run = workshop.run(use_wandb=True, max_steps=3)
    assert run.train_here(STAND_IN_FAILS=fails) == 0
    assert run.warnings == [told]
    assert [step for step, *_ in run.steps] == [1, 2, 3]


def test_a_tracker_that_is_not_installed_is_one_warning(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlatrain.tracking.trackers.is_installed", lambda name: False)
    run = workshop.run(trackers="trackio", max_steps=1)
    assert run.train_here() == 0
    expected = "trackio does not track this run: it is not installed (pip install 'vlatui[trackio]')"
    assert run.warnings == [expected]


def test_a_run_that_fails_says_so_to_its_tracker(workshop: Workshop, stand_ins: Path) -> None:
    run = workshop.run(use_wandb=True, max_steps=2)
    assert run.train_here(VLAD_FAILPOINTS="writing_checkpoint:enospc") == 1
    assert [kwargs for _, kwargs in calls(stand_ins, "finish")] == [{"exit_code": 1}]


@pytest.mark.slow
def test_only_the_first_rank_tracks(workshop: Workshop, stand_ins: Path) -> None:
    run = workshop.run(use_wandb=True, max_steps=1)
    assert run.train(ranks=2, environment={"PYTHONPATH": str(stand_ins)}) == 0, run.jobs[-1].output
    assert len(calls(stand_ins, "init")) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"use_wandb": False}, ()),
        ({}, (TrackerName.WANDB,)),
        ({"trackers": " tensorboard,wandb,tensorboard,"}, (TrackerName.WANDB, TrackerName.TENSORBOARD)),
        ({"use_wandb": False, "trackers": "wandb"}, (TrackerName.WANDB,)),
    ],
    ids=str,
)
def test_the_switch_and_the_list_say_together_what_is_used(
    settings: dict[str, Any], expected: tuple[TrackerName, ...]
) -> None:
    assert chosen(FinetuneConfig(**settings)) == expected


def test_a_tracker_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="--trackers mlflow: there are wandb, tensorboard, trackio"):
        FinetuneConfig(trackers="mlflow")
