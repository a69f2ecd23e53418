"""Training runs for tests: a project with a tiny model and a small data set, trained here or in other processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from patience import until
from safetensors.torch import load_file
from torch import Tensor
from vlad.records.progress import CheckpointSaved, Evaluation, Finished, ProgressLine, RequestDone, Step, Warned
from vlad.records.requests import Action, Request, send_request
from vlad.records.rundir import RunDirectory
from vlatrain.__main__ import main
from vlatrain.train.checkpoint import latest_checkpoint
from vlatrain.train.state import TrainState

LineKind = TypeVar("LineKind", bound=ProgressLine)
SETTINGS: dict[str, Any] = {
    "vla_path": "base",
    "dataset_name": "libero_made",
    "batch_size": 2,
    "max_steps": 8,
    "save_steps": 4,
    "learning_rate": 1e-2,
    "lora_rank": 4,
    "device": "cpu",
    "use_wandb": False,
    "eval_task_suite_name": "tabletop_new",
    "eval_max_steps": 2,
    "early_stopping_min_delta": 10.0,
}
EVALUATED: dict[str, Any] = {"enable_periodic_eval": True, "eval_every_steps": 2, "save_steps": 2}


@dataclass(slots=True)
class Job:
    """One training process, or torchrun with its ranks."""

    process: "subprocess.Popen[str]"
    console: Path

    def wait(self) -> int:
        until(lambda: self.process.poll() is not None, lambda: f"the end of the job\n{self.output}")
        return self.process.wait()

    @property
    def output(self) -> str:
        return self.console.read_text()

    def end(self) -> None:
        """Ends the agent and, through it, the ranks."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Run:
    """A run directory that a trainer reports to, in a project."""

    project: Path
    directory: RunDirectory
    settings: dict[str, Any]
    jobs: list[Job] = field(default_factory=list)

    def start(self, *words: str, ranks: int = 1, environment: Mapping[str, str] | None = None) -> Job:
        """Trains in processes of its own; several ranks under torchrun."""
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
        console = self.directory.path / f"console-{len(self.jobs)}.log"
        with console.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *launcher, "-m", "vlatrain", str(self._config()), *words],
                env={**os.environ, "OMP_NUM_THREADS": "1", **self._variables(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.jobs.append(Job(process, console))
        return self.jobs[-1]

    def train(self, *words: str, ranks: int = 1, environment: Mapping[str, str] | None = None) -> int:
        """As `start`, to the end; the exit status."""
        return self.start(*words, ranks=ranks, environment=environment).wait()

    def train_here(self, *words: str, **environment: str) -> int:
        """Trains in this process; the exit status."""
        torch.set_num_threads(1)
        with _variables({**self._variables(), "OMP_NUM_THREADS": "1", **environment}):
            return main([str(self._config()), *words], os.environ)

    def _config(self) -> Path:
        path = self.directory.path / "config.yaml"
        path.write_text(yaml.safe_dump({**self.settings, "project_root": str(self.project)}))
        return path

    def _variables(self) -> dict[str, str]:
        return {"VLAD_RUN_DIR": str(self.directory.path), "VLAD_RUN_ID": self.directory.run_id}

    def ask(self, action: Action) -> Request:
        return send_request(self.directory.trainer_requests, action, "test")

    def told(self, kind: type[LineKind]) -> list[LineKind]:
        """The progress lines of one kind, in order."""
        return [line for line in self.directory.read_progress()[0] if isinstance(line, kind)]

    @property
    def steps(self) -> list[tuple[int, float | None, float | None, dict[str, float]]]:
        """Everything exact about the logged steps."""
        return [(line.step, line.loss, line.learning_rate, line.metrics) for line in self.told(Step)]

    @property
    def warnings(self) -> list[str]:
        return [line.message for line in self.told(Warned)]

    @property
    def saved_steps(self) -> list[int]:
        return [line.step for line in self.told(CheckpointSaved) if line.is_new]

    @property
    def answers(self) -> dict[str, str]:
        return {line.request_id: line.detail for line in self.told(RequestDone)}

    @property
    def finished(self) -> Finished:
        return self.told(Finished)[-1]

    @property
    def evaluations(self) -> list[Evaluation]:
        return self.directory.read_evaluations()

    @property
    def latest(self) -> Path:
        """The checkpoint saved last, as reported."""
        return Path([line for line in self.told(CheckpointSaved) if line.is_new][-1].path)

    @property
    def folder(self) -> Path:
        """The one folder of checkpoints of this project."""
        [folder] = (self.project / "adapter-tmp").iterdir()
        return folder

    def resume(self) -> tuple[str, str]:
        """The words that go on from the newest checkpoint."""
        found = latest_checkpoint(self.folder)
        assert found is not None, "no checkpoint"
        return "--resume_adapter_dir", str(found)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Polls until the claim holds, or fails with what the job said."""
        job = self.jobs[-1]

        def is_so_or_over() -> bool:
            return is_so() or job.process.poll() is not None

        until(is_so_or_over, lambda: job.output)
        assert is_so(), job.output


@dataclass(slots=True)
class Workshop:
    """Makes projects that share one base model and one data set."""

    base: Path
    datasets: Path
    folder: Path
    runs: list[Run] = field(default_factory=list)

    def run(self, name: str = "a", **settings: Any) -> Run:
        """A run in a project of its own."""
        project = self.folder / name
        project.mkdir()
        (project / "base").symlink_to(self.base)
        (project / "datasets").symlink_to(self.datasets)
        directory = project / "run"
        directory.mkdir()
        self.runs.append(Run(project, RunDirectory(directory), {**SETTINGS, **settings}))
        return self.runs[-1]

    def trained(self, name: str = "a", **settings: Any) -> Run:
        """A run that has trained in this process, and ended well."""
        run = self.run(name, **settings)
        assert run.train_here() == 0
        return run

    def end(self) -> None:
        for run in self.runs:
            for job in run.jobs:
                if job.process.poll() is None:
                    job.end()


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def adapter(checkpoint: Path) -> dict[str, Tensor]:
    return load_file(checkpoint / "adapter_model.safetensors")


def trainer_state(checkpoint: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(checkpoint / "trainer_state.pt", weights_only=True)
    return loaded


def train_state(checkpoint: Path) -> TrainState:
    return TrainState.from_dict(yaml.safe_load((checkpoint / "train_state.json").read_text())["state"])


def is_same(one: Any, other: Any) -> bool:
    """Whether two nested values are equal to the last bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)
