"""How often the scripted expert succeeds: fresh scenes of every task, without rendering; goes on where it was killed.

    PYTHONPATH=supervisor:trainer python3 benchmarks/libero_expert.py --suite libero_spatial --scenes 10 --out x.jsonl

A line of --out is one scene. Prints the table of all scenes there, with 95 % intervals.
"""

import argparse
import json
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from vlad.records.interval import wilson_interval
from vlatrain.evaluate.libero import STEP_LIMITS
from vlatrain.sim.finding import found_libero
from vlatrain.sim.pool import Event, Pool
from vlatrain.sim.protocol import Layout
from vlatrain.sim.workers import WorkerProgram

FIRST_SEED = 500_000_000
"""Far from the seeds of recorded demonstrations; the benchmark's own states come from no seed."""
MOST_LOSSES = 2


def known(path: Path, suite: str) -> list[dict[str, Any]]:
    """The scenes of the suite that were played already."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line for line in map(json.loads, lines) if line["suite"] == suite]


def play(pool: Pool, suite: str, waiting: deque[tuple[int, int]], limit: int, path: Path) -> None:
    """Plays (task, scene) after (task, scene); a lost simulator counts as a failed scene after two more tries."""
    playing: dict[int, tuple[int, int]] = {}
    losses: dict[tuple[int, int], int] = defaultdict(int)
    while waiting or playing:
        for place in range(len(pool)):
            if place not in playing and waiting:
                playing[place] = task, scene = waiting.popleft()
                request = {"do": "demonstrate", "suite": suite, "task": task, "seed": FIRST_SEED + 1000 * task + scene}
                pool.ask(place, {**request, "shaky": False, "limit": limit, "pictures": False})
        for event in pool.events(1.0):
            take(event, playing, losses, waiting, suite, path)


def take(
    event: Event,
    playing: dict[int, tuple[int, int]],
    losses: dict[tuple[int, int], int],
    waiting: deque[tuple[int, int]],
    suite: str,
    path: Path,
) -> None:
    if event.place not in playing:
        return
    task, scene = playing.pop(event.place)
    answer = event.answer
    if answer is None:
        losses[task, scene] += 1
        if losses[task, scene] <= MOST_LOSSES:
            waiting.appendleft((task, scene))
            return
        answer = {"success": False, "frames": 0, "reason": f"simulator {event.lost}"}
    told = {name: answer.get(name) for name in ("success", "frames", "reason", "cannot", "unfit")}
    with path.open("a") as file:
        file.write(json.dumps({"suite": suite, "task": task, "scene": scene, **told}) + "\n")


def table(lines: list[dict[str, Any]], instructions: tuple[str, ...]) -> str:
    """Success by task and in total, as Markdown; tasks beyond the expert and unfit scenes count in no total."""
    rows = ["| task | success | 95 % | mean steps |", "|---|---|---|---|"]
    unfit = [line for line in lines if line.get("unfit")]
    lines = [line for line in lines if not line.get("unfit")]
    done = [line for line in lines if not line["cannot"]]
    for task, instruction in enumerate(instructions):
        mine = [line for line in lines if line["task"] == task]
        if mine:
            rows.append(row(f"{task} {instruction}", mine))
    rows += [row("all", done)] if done else []
    rows += [f"Unfit scenes, drawn in vain: {len(unfit)}"] if unfit else []
    return "\n".join(rows)


def row(name: str, lines: list[dict[str, Any]]) -> str:
    if any(line["cannot"] for line in lines):
        return f"| {name} | beyond it | | |"
    won = [line for line in lines if line["success"]]
    low, high = wilson_interval(len(won), len(lines))
    mean = f"{sum(line['frames'] for line in won) / len(won):.0f}" if won else ""
    return f"| {name} | {len(won)}/{len(lines)} | {low:.0f}-{high:.0f} | {mean} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--scenes", type=int, default=10, help="of each task")
    parser.add_argument("--tasks", type=int, nargs="+")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("expert.jsonl"))
    arguments = parser.parse_args()
    found = found_libero(None)
    instructions = found.instructions(arguments.suite)
    played = {(line["task"], line["scene"]) for line in known(arguments.out, arguments.suite)}
    tasks = arguments.tasks if arguments.tasks is not None else range(len(instructions))
    wanted = ((task, scene) for task in tasks for scene in range(arguments.scenes))
    waiting = deque(one for one in wanted if one not in played)
    limit = STEP_LIMITS[arguments.suite]
    if waiting:
        program = WorkerProgram(argv=found.argv, layout=Layout(limit, 1, 8))
        with Pool(program, min(arguments.workers, len(waiting))) as pool:
            play(pool, arguments.suite, waiting, limit, arguments.out)
    print(table(known(arguments.out, arguments.suite), instructions))


if __name__ == "__main__":
    main()
