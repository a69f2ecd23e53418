"""What a campaign's recipe learned: its journals as one file of results, and of all such files docs/libero.md's table
and picture.

    python3 benchmarks/libero_learning.py --collect OUT libero_small --device "NVIDIA H200" --commit 281634c
    python3 benchmarks/libero_learning.py --page

The first reads what `libero_campaign.py OUT` left (VLAD_HOME is OUT/home unless --home names it) and writes
benchmarks/results/libero-learning/RECIPE.json; the second needs no more than those files.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marked_page import replace_between

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "libero-learning"
PAGE = ROOT / "docs" / "libero.md"
PICTURE = ROOT / "docs" / "pictures" / "libero-learning.svg"
BEGIN, END = "<!-- made by benchmarks/libero_learning.py -->", "<!-- end of what was learned -->"
SUITE = "libero_spatial_no_noops"
POINTS = 60
TOLD_BY_TASK = 200
"""Episodes of an evaluation from which on each task's success is shown"""
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 300, 56, 16, 210, 40
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
HIGHEST, LOWEST = 1.0, 0.01
"""Of the error's axis, which is logarithmic"""


def collect(arguments: argparse.Namespace) -> None:
    out, recipe = arguments.collect, arguments.recipe
    home = arguments.home or out / "home" / "runs"
    run = max(home.glob(f"*-{recipe}-????"))
    told = [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]
    steps = [one for one in told if one["kind"] == "step"]
    config = json.loads((run / "spec.json").read_text())["config"]
    last = out / f"{recipe}.json"
    found = {
        "recipe": recipe,
        "device": arguments.device,
        "commit": arguments.commit,
        "note": arguments.note,
        "demonstrations": json.loads((out / "datasets" / SUITE / "demonstrations.json").read_text())["episodes"],
        "batch_size": config["batch_size"]["value"],
        "steps": steps[-1]["step"],
        "epochs": steps[-1]["epoch"],
        "seconds": steps[-1]["at"] - steps[0]["at"],
        "curve": [point(one) for one in thinned(steps)],
        "evaluations": [evaluation(json.loads(line)) for line in (run / "evaluations.jsonl").read_text().splitlines()],
        "last": evaluation(json.loads(last.read_text())) if last.is_file() else None,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{recipe}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(path)


def thinned(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last one and some evenly before it."""
    every = max(1, len(steps) // POINTS)
    return steps[::-1][::every][::-1]


def point(step: dict[str, Any]) -> dict[str, float]:
    return {
        "step": step["step"],
        "loss": round(step["loss"], 4),
        "l1": round(step["metrics"]["l1_loss"], 5),
        "accuracy": round(step["metrics"]["action_accuracy"], 4),
    }


def evaluation(told: dict[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("step", "successes", "episodes", "low", "high", "tasks")}


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    yield "| recipe | on | demonstrations | steps of samples | L1 at the end | evaluated | success | 95 % |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in results:
        shown = [*((found, "") for found in one["evaluations"]), *([(one["last"], ", alone")] if one["last"] else [])]
        start = f"| `{one['recipe']}` | {one['device']} | {one['demonstrations']:,} "
        start += f"| {one['steps']:,} of {one['batch_size']} | {one['curve'][-1]['l1']:.3f} "
        for found, how in shown:
            rate = f"{found['successes']}/{found['episodes']} = {100 * found['successes'] / found['episodes']:.0f} %"
            yield f"{start}| step {found['step']:,}{how} | {rate} | {found['low']:.0f}-{found['high']:.0f} |"
            start = "| | | | | "
        if not shown:
            yield f"{start}| never | | |"


def tasks(one: dict[str, Any]) -> Iterator[str]:
    """Success by task of the last evaluation, where it is large enough to tell."""
    last = one["last"] or next(reversed(one["evaluations"]), None)
    if last is None or last["episodes"] < TOLD_BY_TASK:
        return
    yield ""
    yield f"| task, `{one['recipe']}` at step {last['step']:,} | success |"
    yield "|---|---|"
    for number, task in enumerate(last["tasks"]):
        short = task["task"].removesuffix(" and place it on the plate")
        yield f"| {number} {short} | {task['successes']}/{task['episodes']} |"


def picture(results: list[dict[str, Any]]) -> str:
    """The mean error of the first action's motions over the samples seen; circles are evaluations."""
    most = max(one["steps"] * one["batch_size"] for one in results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *axes(most),
    ]
    for number, one in enumerate(results):
        colour, batch = COLOURS[number % len(COLOURS)], one["batch_size"]
        places = [place(point["step"] * batch / most, point["l1"]) for point in one["curve"]]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for found in [*one["evaluations"], *([one["last"]] if one["last"] else [])]:
            nearest = min(one["curve"], key=lambda point: abs(point["step"] - found["step"]))
            x, y = place(found["step"] * batch / most, nearest["l1"])
            lift = 22 if found is one["last"] else 8
            words = f"{found['successes']}/{found['episodes']}"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{x:.1f}" y="{y - lift:.1f}" text-anchor="middle" fill="{colour}">{words}</text>')
        y = TOP + 20 + 18 * number
        parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{y}" fill="{colour}">{one["recipe"]}</text>')
    return "\n".join([*parts, "</svg>", ""])


def axes(most: int) -> Iterator[str]:
    for value in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01):
        x, y = place(0, value)
        yield f'<line x1="{x}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{value:g}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, _ = place(share, LOWEST)
        label = f"{share * most / 1e6:.1f} M"
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#444">{label}</text>'
    words = "samples trained on; error of the motions (L1, normalised)"
    yield f'<text x="{LEFT}" y="{HEIGHT - 6}" fill="#444">{words}</text>'


def place(share: float, error: float) -> tuple[float, float]:
    height = math.log(HIGHEST / max(error, LOWEST)) / math.log(HIGHEST / LOWEST)
    return LEFT + share * (WIDTH - LEFT - RIGHT), TOP + min(1.0, max(0.0, height)) * (HEIGHT - TOP - BOTTOM)


def write_page() -> None:
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    PICTURE.write_text(picture(results))
    lines = [*table(results), "", f"![error and success while learning](pictures/{PICTURE.name})"]
    for one in results:
        lines += tasks(one)
    replace_between(PAGE, BEGIN, END, "\n".join(["", *lines, ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help=f"write table and picture of {PAGE.name}")
    parser.add_argument("--collect", type=Path, metavar="OUT", help="folder of a campaign")
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--home", type=Path, help="folder of its runs (OUT/home/runs)")
    parser.add_argument("--device", default="")
    parser.add_argument("--commit", default="")
    parser.add_argument("--note", default="", help="what a reader should know of this result")
    arguments = parser.parse_args()
    if arguments.collect:
        collect(arguments)
    if arguments.page:
        write_page()


if __name__ == "__main__":
    main()
