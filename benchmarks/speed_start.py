"""A run under `vlad start` up to its first steps, part by part: with nothing compiled, and once more."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from made_base import config_of, made_base
from seven_b_run import BOOT, SETTINGS, episodes
from speed_place import DEVICE, IS_TRIAL, SMALL_BATCH, release
from timed_parts import Note
from vlad.records.progress import Step
from vlad.records.rundir import Home
from vlatrain.data.rlds_writer import write_rlds

PART = re.compile(r"([A-Za-z][A-Za-z ]*) (\d+\.\d)")
STEPS = 3
MOST_S = 150
TINY = {"batch_size": 2, "lora_rank": 4, "num_workers": 0}


def starts(note: Note) -> None:
    """Programs are compiled into a folder that is empty for the first start, and that the second one finds."""
    release()
    with tempfile.TemporaryDirectory(prefix="start-") as name:
        folder = Path(name)
        _prepare(folder)
        for which in ("first", "second"):
            found = _started(folder, which)
            note({"who": which, **found})
            told = ", ".join(f"{part.removesuffix('_s')} {seconds:.1f}" for part, seconds in found.items())
            print(f"{which} start, seconds: {told}", flush=True)


def _prepare(folder: Path) -> None:
    began = time.perf_counter()
    made_base(folder / "base", config_of("tiny" if IS_TRIAL else "7b"), DEVICE.type)
    release()
    write_rlds(folder / "datasets", "libero_made", episodes(), 2)
    settings = {**SETTINGS, "batch_size": SMALL_BATCH, "max_steps": STEPS, "save_steps": STEPS, "device": DEVICE.type}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | (TINY if IS_TRIAL else {})))
    print(f"weights written in {time.perf_counter() - began:.0f} s", flush=True)


def _started(folder: Path, name: str) -> dict[str, float]:
    """Seconds from the command to Python's first moment, of each part, and in all."""
    compiled = {variable: str(folder / "compiled") for variable in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")}
    path = os.pathsep.join(str(Path(one).resolve()) for one in sys.path if one)
    environment = {**os.environ, **compiled, "VLAD_HOME": str(folder / "home"), "PYTHONPATH": path}
    words = ("--config", str(folder / "config.yaml"), "--project-root", str(folder), "--name", name)
    called = time.time()
    _vlad(environment, "start", "1", *words, "--follow")
    log = _vlad(environment, "logs", name)
    line = next((one for one in log.splitlines() if "[start] " in one), None)
    if line is None:
        raise RuntimeError(f"the {name} run never made a step: {log[-2000:]}")
    parts = {f"{part.strip()}_s": float(seconds) for part, seconds in PART.findall(line.partition("step: ")[2])}
    first = next(one for one in Home(folder / "home").find(name).read_progress()[0] if isinstance(one, Step))
    whole_s = first.at - called
    return {"launch_s": whole_s - sum(parts.values()), **parts, "whole_s": whole_s}


def _vlad(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [*BOOT, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, timeout=MOST_S
    )
    return done.stdout + done.stderr
