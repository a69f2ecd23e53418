"""kill -9 of everybody at every moment: lives through the whole matrix of faults, and prints what was lost.

    make faults                                        all of it, several at once (10 to 15 minutes on 2 cores)
    python benchmarks/faults.py --part 2/4             a quarter of it; the parts of one seed add up in the JSON file
    python benchmarks/faults.py --only keeper stopping the faults with these words in their names

Each fault is a run of its own with real processes, killed while something stands still in the middle of what the
column says. A cell is healed/total. Exit status 1 where anything was lost or took longer than 5 s to heal.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/support", "supervisor", "trainer", "tui")]

from fault_chains import CHAINS, Chain, live_through_chain  # noqa: E402 - the folders above must be known first
from fault_matrix import COLUMNS, VICTIMS, Fault, all_faults  # noqa: E402
from fault_stories import Outcome, live_through  # noqa: E402

Task = Fault | Chain

RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
PAGE = ROOT / "docs" / "faults.md"
WORKERS = 4
BEGIN, END = "<!-- made by `make faults` -->", "<!-- end -->"
HEALS_WITHIN_S = 5.0
Result = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="faults whose name has all these words")
    parser.add_argument("--part", default="1/1", metavar="K/N", help="every N-th fault from the K-th on")
    parser.add_argument("--seed", type=int, default=0, help="which rank or loader is killed")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"faults at once (default {WORKERS})")
    parser.add_argument("--json", type=Path, help=f"where the results go (default, for whole parts, {RESULTS})")
    parser.add_argument("--page", action="store_true", help=f"write the table into {PAGE} too")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    number, parts = map(int, options.part.split("/"))
    tasks: list[Task] = [*CHAINS, *all_faults()]
    chosen = [task for task in tasks if _has_words(task, options.only)][number - 1 :: parts]
    began = time.monotonic()
    results = [_told(outcome) for outcome in _lived_through(chosen, options.workers, options.seed)]
    took_s = time.monotonic() - began
    file = options.json or (RESULTS if not options.only else None)
    told = {"seed": options.seed, "took_s": round(took_s, 1), "faults": results}
    if file is not None:
        told = _with_earlier_parts(file, told) if number > 1 else told
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, indent=1) + "\n")
    print("\n" + report(told))
    if options.page:
        PAGE.write_text(page(told, PAGE.read_text()))
    return int(any(one["problems"] for one in told["faults"]))


def _has_words(task: Task, words: list[str]) -> bool:
    faults = task.faults if isinstance(task, Chain) else (task,)
    return any(all(word in fault.name for word in words) for fault in faults)


def _lived_through(chosen: list[Task], workers: int, seed: int) -> Iterator[Outcome]:
    """In order, the long chains first; told as they end."""
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver")) as pool,
    ):
        folders = [Path(folder) / str(number) for number in range(len(chosen))]
        for outcome in chain.from_iterable(pool.map(_one, chosen, folders, [seed] * len(chosen))):
            problems = _problems(outcome)
            print(
                f"{outcome.fault.name}: {f'LOST {problems}' if problems else f'healed {outcome.healed_s:.2f} s'}",
                flush=True,
            )
            yield outcome


def _one(task: Task, folder: Path, seed: int) -> list[Outcome]:
    folder.mkdir()
    for name in ("VLAD_FAILPOINTS", "VLAD_FAILPOINTS_ONCE"):
        os.environ.pop(name, None)
    return live_through_chain(task, folder, seed) if isinstance(task, Chain) else [live_through(task, folder, seed)]


def _problems(outcome: Outcome) -> list[str]:
    is_slow = outcome.healed_s is not None and outcome.healed_s > HEALS_WITHIN_S
    return [*outcome.problems, *([f"healed after {outcome.healed_s:.1f} s"] if is_slow else [])]


def _told(outcome: Outcome) -> Result:
    fault = outcome.fault
    healed_s = None if outcome.healed_s is None else round(outcome.healed_s, 3)
    return {
        "victim": fault.victim, "when": fault.when, "point": fault.point, "story": fault.story, "job": fault.job,
        "healed_s": healed_s, "problems": _problems(outcome),
    }  # fmt: skip


def _with_earlier_parts(file: Path, told: dict[str, Any]) -> dict[str, Any]:
    earlier: dict[str, Any] = {"faults": [], "took_s": 0.0}
    with contextlib.suppress(FileNotFoundError):
        earlier = json.loads(file.read_text())
    faults, took_s = [*earlier["faults"], *told["faults"]], round(earlier["took_s"] + told["took_s"], 1)
    return {**told, "took_s": took_s, "faults": faults}


def table(results: list[Result]) -> list[list[str]]:
    """Rows who, columns when, cells healed/total; a dash where nobody of that kind lives."""
    return [["killed", *COLUMNS, "all"], *[_row(who, results) for who in VICTIMS], _row(None, results)]


def _row(who: str | None, results: list[Result]) -> list[str]:
    own = [one for one in results if who in (None, one["victim"])]
    cells = [_cell([one for one in own if one["when"] == column]) for column in COLUMNS]
    return [who or "all", *cells, _cell(own)]


def _cell(results: list[Result]) -> str:
    return f"{sum(not one['problems'] for one in results)}/{len(results)}" if results else "-"


def report(told: dict[str, Any]) -> str:
    rows = table(told["faults"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lost = [f"LOST {one['victim']} {one['when']} {one['point']}: {one['problems']}" for one in _lost(told)]
    return "\n".join([*lines, "", _summary(told), *lost])


def _lost(told: dict[str, Any]) -> list[Result]:
    return [one for one in told["faults"] if one["problems"]]


def _summary(told: dict[str, Any]) -> str:
    healed = sorted(one["healed_s"] for one in told["faults"] if one["healed_s"] is not None)
    if not healed:
        return "no faults"
    return (
        f"{len(told['faults'])} faults, {len(_lost(told))} with a loss; healed after {healed[len(healed) // 2]:.2f} s "
        f"(median), {healed[-1]:.2f} s at most (allowed: {HEALS_WITHIN_S:.0f} s)"
    )


def page(told: dict[str, Any], around: str) -> str:
    """The page of the documentation with the table between its marks made anew."""
    head, *body = ["| " + " | ".join(row) + " |" for row in table(told["faults"])]
    rule = "|" + "---|" * (len(COLUMNS) + 2)
    before, after = around.split(BEGIN)[0], around.split(END)[1]
    return before + "\n".join([BEGIN, "", head, rule, *body, "", f"{_summary(told)}.", "", END]) + after


if __name__ == "__main__":
    sys.exit(main())
