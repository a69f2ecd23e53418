"""Speed of training and of answers at 7B size on this machine's GPUs, ours and public libraries in turns, in one run.

    make gpu-bench                                   # all parts; writes benchmarks/results/gpu-<card>-<commit>.json
    make gpu-bench PARTS="levers predict --seconds 300"
    python3 benchmarks/gpu_bench.py --table          # docs/speed.md's table, each part from its newest result
    python3 benchmarks/gpu_bench.py --compare        # the newest result beside the one before; exit 1: worse
    python3 benchmarks/gpu_bench.py --trial          # every part with a tiny model on a CPU: tries the script, no times

Parts come in the order of their importance. One that would not fit into what is left of --seconds is left out, one that
takes longer than that is cut off, and either is said. Every row is on the disk as soon as it is measured; a further
call on the same machine and commit adds its parts to the file, so that a short lease can be used in pieces.
Weights are random, which changes no time. Of each setting the median and the spread (quartiles) of its steps are told.
"""

import argparse
import faulthandler
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from speed_compare import compared, in_order
from speed_parts import PARTS
from speed_table import write_table
from timed_parts import SPARE_S, Results, measure

RESULTS = Path(__file__).parent / "results"
SECONDS = 560


def main() -> None:
    options = parsed()
    if options.table:
        write_table(in_order(RESULTS) or sys.exit(f"{RESULTS} holds no results: run `make gpu-bench` first"))
        return
    if options.compare is not None:
        sys.exit(compare(options.compare or in_order(RESULTS)[-2:]))
    until = time.monotonic() + options.seconds
    faulthandler.dump_traceback_later(options.seconds + SPARE_S, exit=True)
    here = machine()
    out = options.out or RESULTS / f"gpu-{here['gpu'].replace(' ', '-')}-{here['commit']}.json"
    results = Results(out, here)
    for name in options.parts or [name for name, part in PARTS.items() if part.gpus <= max(1, here["gpus"])]:
        measure(name, PARTS[name], results, until, takes_any=bool(options.parts) or options.trial)
    faulthandler.cancel_dump_traceback_later()
    print(f"written to {out}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for all parts together (default {SECONDS})")
    parser.add_argument("--table", action="store_true", help="measure nothing; write the table of docs/speed.md")
    parser.add_argument("--compare", type=Path, nargs="*", metavar="FILE", help="measure nothing; OLD and NEW results")
    parser.add_argument("--trial", action="store_true", help="a tiny model on a CPU; --out is needed")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.trial and (torch.cuda.is_available() or options.out is None):
        parser.error("--trial: for a machine without a GPU, with --out; it measures nothing worth keeping")
    if options.compare and len(options.compare) != 2:
        parser.error("--compare: two files, or none for the newest two")
    if not (torch.cuda.is_available() or options.table or options.trial or options.compare is not None):
        parser.error("no CUDA device: --trial tries the script out with a tiny model")
    return options


def compare(results: list[Path]) -> int:
    """Prints two results beside each other; 1 where something is worse, 2 where there are no two."""
    if len(results) < 2:
        print(f"{RESULTS} holds no two results of one card yet")
        return 2
    told, is_worse = compared(*results)
    print(told)
    return int(is_worse)


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
