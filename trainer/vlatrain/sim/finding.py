"""Where LIBERO is: which Python simulates, whether it can, and which GPU it draws with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vlatrain.errors import TrainerError
from vlatrain.sim.workers import SimulatorError

BOOT = Path(__file__).with_name("libero_boot.py")
SIM_PYTHON = "VLAD_SIM_PYTHON"
MADE = Path(".venv-libero/bin/python")
CHECK_PATIENCE_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLibero:
    """A Python that can simulate: the versions that matter, and the instructions of its suites, task by task.

    `names` are what the tasks are called, which differ where instructions do not.
    """

    python: str
    versions: Mapping[str, str]
    suites: Mapping[str, tuple[str, ...]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    jpeg: str | None = None
    """The mark of its JPEG pass (`pass_mark`), where it has one"""

    @property
    def argv(self) -> tuple[str, ...]:
        """What starts a worker."""
        return (self.python, str(BOOT))

    def instructions(self, suite: str) -> tuple[str, ...]:
        """Raises TrainerError for a suite that is not installed there."""
        if not self.suites.get(suite):
            there = ", ".join(name for name, tasks in self.suites.items() if tasks)
            raise TrainerError(f"{suite}: {self.python} has no such suite; there are {there}")
        return self.suites[suite]


def sim_python(asked: str | None) -> str:
    """As asked for, else VLAD_SIM_PYTHON, else what `make libero` made here, else this one.

    Raises SimulatorError where there is none such.
    """
    wanted = asked or os.environ.get(SIM_PYTHON) or _made_here() or sys.executable
    found = shutil.which(os.path.expanduser(wanted))  # noqa: PTH111  a name on PATH is meant too
    if found is None:
        raise SimulatorError(f"sim_python {wanted}: no such program; name the Python that has LIBERO")
    return found


def _made_here() -> str | None:
    """What lies in a folder that is also others' is run unasked only where it belongs to this user or to root."""
    if not MADE.exists():
        return None
    if {MADE.lstat().st_uid, MADE.parents[1].lstat().st_uid} - {os.getuid(), 0}:
        raise SimulatorError(f"{MADE.absolute()} belongs to another user and is not run; name one with {SIM_PYTHON}")
    return str(MADE.absolute())


def found_libero(asked: str | None) -> FoundLibero:
    """Asks that Python what it has. Raises SimulatorError, in one line, where it cannot simulate LIBERO."""
    python = sim_python(asked)
    try:
        done = subprocess.run(
            [python, str(BOOT), "--check"], capture_output=True, timeout=CHECK_PATIENCE_S, stdin=subprocess.DEVNULL
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise SimulatorError(f"{python} does not say whether it has LIBERO: {error}") from error
    if "refused" in found:
        raise SimulatorError(f"{python}: {found['refused']}")
    suites = {name: tuple(tasks) for name, tasks in found["suites"].items()}
    names = {name: tuple(tasks) for name, tasks in found["names"].items()}
    return FoundLibero(python=python, versions=found["versions"], suites=suites, names=names, jpeg=found.get("jpeg"))


def render_environment(environ: Mapping[str, str], local_rank: int, *, has_gpu: bool) -> Mapping[str, str]:
    """Makes the simulators of a rank draw on the rank's own GPU. EGL counts all cards, also those hidden from CUDA."""
    if not has_gpu or "MUJOCO_EGL_DEVICE_ID" in environ:
        return {}
    visible = [name.strip() for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    numbers = [name for name in visible if name.isdigit()]
    return {"MUJOCO_EGL_DEVICE_ID": numbers[local_rank % len(numbers)] if numbers else str(local_rank)}
