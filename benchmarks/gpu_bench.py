"""Speed of training and of answers at 7B size on this machine's GPUs, ours and public libraries in turns, in one run.

    make gpu-bench                                   # all parts; writes benchmarks/results/gpu-<card>-<commit>.json
    python3 benchmarks/gpu_bench.py step predict     # some parts: see --help
    python3 benchmarks/gpu_bench.py --table          # docs/speed.md's table from the newest result

Weights are random, which changes no time. Of each setting the median and the spread (quartiles) of its steps are told.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from speed_parts import PARTS
from speed_table import write_table

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", type=Path, help="JSON file of the results")
    parser.add_argument("--table", action="store_true", help="measure nothing; write the table of docs/speed.md")
    parser.add_argument("--profile", action="store_true", help="also the kernels that a step spends its time in")
    options = parser.parse_args()
    if options.table:
        write_table(newest(RESULTS))
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {"machine": machine(), "parts": {}}
    out = options.out or RESULTS / f"gpu-{found['machine']['gpu'].replace(' ', '-')}-{found['machine']['commit']}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in options.parts or PARTS:
        started = time.monotonic()
        found["parts"][name] = PARTS[name](options.profile)
        print(f"[{name} took {time.monotonic() - started:.0f} s]", flush=True)
        out.write_text(json.dumps(found, indent=1) + "\n")  # after each part: a later one may be cut off
    print(f"written to {out}")


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
        "gpu": torch.cuda.get_device_name(),
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
