"""Speed of training and of answers at 7B size on this machine's GPUs, ours and public libraries in turns, in one run.

    make gpu-bench                                   # all parts; writes benchmarks/results/gpu-<card>-<commit>.json
    make gpu-bench PARTS="levers predict --seconds 300"
    python3 benchmarks/gpu_bench.py --table          # docs/speed.md's table from the newest result
    python3 benchmarks/gpu_bench.py --trial          # every part with a tiny model on a CPU: tries the script, no times

Parts come in the order of their importance. One that would not fit into what is left of --seconds is left out, one that
takes longer than that is cut off, and either is said. Every row is on the disk as soon as it is measured.
Weights are random, which changes no time. Of each setting the median and the spread (quartiles) of its steps are told.
"""

import argparse
import faulthandler
import json
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from speed_parts import PARTS
from speed_table import write_table

RESULTS = Path(__file__).parent / "results"
SECONDS = 560
SPARE_S = 10
"""Kept for the end; where even a cut does not help, the process ends itself this much later."""


class OutOfTime(Exception):
    """A part took longer than there is time."""


class Results:
    """What has been measured, on the disk after each row."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._found: dict[str, Any] = {"machine": machine(), "parts": {}, "not_measured": {}}
        out.parent.mkdir(parents=True, exist_ok=True)

    def note(self, part: str, row: dict[str, Any]) -> None:
        self._found["parts"].setdefault(part, []).append(row)
        self._write()

    def not_measured(self, part: str, why: str) -> None:
        print(f"[{part}: {why}]", flush=True)
        self._found["not_measured"][part] = why
        self._write()

    def _write(self) -> None:
        aside = self._out.with_suffix(".part")
        aside.write_text(json.dumps(self._found, indent=1) + "\n")
        aside.replace(self._out)


def main() -> None:
    options = parsed()
    if options.table:
        write_table(newest(RESULTS))
        return
    until = time.monotonic() + options.seconds
    faulthandler.dump_traceback_later(options.seconds + SPARE_S, exit=True)
    commit = machine()
    out = options.out or RESULTS / f"gpu-{commit['gpu'].replace(' ', '-')}-{commit['commit']}.json"
    results = Results(out)
    for name in options.parts or PARTS:
        measure(name, results, until, takes_any=bool(options.parts) or options.trial)
    faulthandler.cancel_dump_traceback_later()
    print(f"written to {out}")


def measure(name: str, results: Results, until: float, *, takes_any: bool) -> None:
    """One part, where there is time for it; parts that were asked for by name begin in any case."""
    started = time.monotonic()
    left_s = until - SPARE_S - started
    if left_s < (1 if takes_any else PARTS[name].most_s):
        results.not_measured(name, f"left out: takes about {PARTS[name].most_s} s, and {left_s:.0f} s are left")
        return
    print(f"[{name}: {PARTS[name].measure.__doc__}]", flush=True)
    try:
        with at_most(left_s):
            PARTS[name].measure(lambda row: results.note(name, row), left_s)
    except OutOfTime:
        results.not_measured(name, f"cut off after {time.monotonic() - started:.0f} s")
    except Exception as error:  # whatever it is, the other parts are still to be measured
        traceback.print_exc()
        results.not_measured(name, f"failed: {type(error).__name__}: {str(error).splitlines()[:1]}")
    print(f"[{name} took {time.monotonic() - started:.0f} s]", flush=True)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in what runs longer, as soon as it is in Python."""

    def cut(_: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for all parts together (default {SECONDS})")
    parser.add_argument("--table", action="store_true", help="measure nothing; write the table of docs/speed.md")
    parser.add_argument("--trial", action="store_true", help="a tiny model on a CPU; --out is needed")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.trial and (torch.cuda.is_available() or options.out is None):
        parser.error("--trial: for a machine without a GPU, with --out; it measures nothing worth keeping")
    if not (torch.cuda.is_available() or options.table or options.trial):
        parser.error("no CUDA device: --trial tries the script out with a tiny model")
    return options


def newest(folder: Path) -> Path:
    """The result that was measured last."""
    found = sorted(folder.glob("gpu-*.json"), key=lambda path: str(json.loads(path.read_text())["machine"]["at"]))
    if not found:
        sys.exit(f"{folder} holds no results: run `make gpu-bench` on a machine with a GPU first")
    return found[-1]


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    import peft
    import transformers

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU",
        "gpus": torch.cuda.device_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "commit": commit.stdout.strip() or "unknown",
        "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


if __name__ == "__main__":
    main()
