"""`make gpu-check`: small models side by side on the GPU, then alone what measures the memory of the whole card.

    python3 tests/gpu/check.py                      everything
    python3 tests/gpu/check.py fast training        some parts: the names of the files test_*.py
    python3 tests/gpu/check.py --list

Each result is printed as it comes, so that a run that is cut short has told what it knew. A test that hangs ends its
worker, and another worker goes on. Exit status 1 where anything failed.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SIDE_BY_SIDE = ("fast", "training", "reference", "kernels", "parts", "whole", "towers", "decoder", "surgery")
"""Those that take longest come first"""
ALONE = ("memory",)
LIMIT_S = 240
"""Of one test"""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(SIDE_BY_SIDE + ALONE)}; default: all")
    parser.add_argument("--jobs", type=int, default=4, help="tests side by side on the GPU")
    parser.add_argument("--junit", type=Path, help="folder for the results as JUnit's XML")
    parser.add_argument("--list", action="store_true", help="name the tests and run none")
    options = parser.parse_args(words)
    if unknown := sorted(set(options.parts) - {*SIDE_BY_SIDE, *ALONE}):
        parser.error(f"no such part: {', '.join(unknown)}")
    statuses = {}
    for parts, jobs in ((SIDE_BY_SIDE, options.jobs), (ALONE, 1)):
        wanted = [part for part in parts if part in (options.parts or parts)]
        if wanted:
            command = pytest_command(wanted, jobs, options.junit, is_listed=options.list)
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            statuses[" ".join(wanted)] = subprocess.run(command, env=environment, cwd=HERE.parents[1]).returncode
    for name, status in statuses.items():
        print(f"gpu-check {name}: {'ok' if status == 0 else f'status {status}'}", flush=True)
    return int(any(statuses.values()))


def pytest_command(parts: list[str], jobs: int, junit: Path | None, *, is_listed: bool) -> list[str]:
    """Of these parts, in this order."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "--durations=12", "--tb=short"]
    command += [f"--timeout={LIMIT_S}", "--timeout-method=thread"]  # a signal would not reach what waits for the device
    if is_listed:
        command.append("--collect-only")
    elif jobs > 1 and importlib.util.find_spec("xdist"):
        command += ["-n", str(jobs), "--dist", "load"]
    if junit:
        command.append(f"--junitxml={junit.resolve() / f'gpu-check-{parts[0]}.xml'}")
    return [*command, *(str(HERE / f"test_{part}.py") for part in parts)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
