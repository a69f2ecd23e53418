"""What each part of the LIBERO recipe is worth: the same steps with one part changed at a time, measured alike.

    PYTHONPATH=supervisor:trainer python3 benchmarks/libero_ablation.py --data OUT/datasets --out ABL \
        --steps 3000 --trials 5 --budget-s 500 [--gpus 2] [--calm OUT/calm] [--only recipe "hard targets"]
    python3 benchmarks/libero_ablation.py --page          writes the table of all results into docs/libero.md

Every variant is a fresh model of the same seed, trained from the same demonstrations (their first 95 %), then asked for
the actions of the other 5 %, greedily; with --trials it also plays the benchmark. One that does not fit into the budget
any more is not begun. Each result is a file of benchmarks/results/libero-ablation/.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marked_page import replace_between

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "libero-ablation"
PAGE = ROOT / "docs" / "libero.md"
BEGIN, END = "<!-- made by benchmarks/libero_ablation.py -->", "<!-- end of the ablation -->"
NAME = "libero_spatial_no_noops"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The recipe but for some settings, which go before those of the command line."""

    settings: dict[str, Any] = field(default_factory=dict)
    wrist: bool = True
    proprio: bool = True
    chunk: int = 8
    stem: str = "conv"
    is_calm: bool = False

    def words(self) -> list[str]:
        inputs = {"use_wrist_image": self.wrist, "use_proprio": self.proprio, "action_chunk": self.chunk}
        return [f"--{name}={json.dumps(value)}" for name, value in {**inputs, **self.settings}.items()]

    def fresh(self) -> list[str]:
        inputs = [*(["--wrist"] * self.wrist), *(["--proprio"] * self.proprio)]
        return [*inputs, "--chunk", str(self.chunk), "--stem", self.stem]


VARIANTS = {
    "recipe": Variant(),
    "without wrist camera": Variant(wrist=False),
    "without the hand's state": Variant(proprio=False),
    "published inputs": Variant(wrist=False, proprio=False),
    "published inputs, foretelling the hand's state": Variant(
        wrist=False, proprio=False, settings={"proprio_loss_weight": 1.0}
    ),
    "published inputs, patches by one product": Variant(wrist=False, proprio=False, stem="patch"),
    "hard targets": Variant(settings={"soft_target_bins": 0}),
    "one action": Variant(chunk=1),
    "no mean of the weights": Variant(settings={"ema_decay": 0}),
    "no augmentation": Variant(settings={"image_aug": False}),
    "calm demonstrations": Variant(is_calm=True),
    "published inputs, one action, hard targets": Variant(
        wrist=False, proprio=False, chunk=1, settings={"soft_target_bins": 0}
    ),
}


def run(name: str, arguments: argparse.Namespace, gpu: int) -> None:
    """Trains and measures one variant; its result becomes a file."""
    variant, begun = VARIANTS[name], time.monotonic()
    folder = arguments.out / slug(name)
    data = arguments.calm if variant.is_calm else arguments.data
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu)} if arguments.gpus else dict(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    base, log = folder / "base", folder / "log"
    with log.open("w") as output:

        def call(*words: str) -> str:
            words = (sys.executable, "-m", *words)
            done = subprocess.run(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=output, check=True)
            output.write(done.stdout)
            return done.stdout

        if not base.exists():
            call(
                "vlatrain.tools",
                "fresh",
                "--data",
                str(data / NAME),
                "--out",
                str(base),
                *variant.fresh(),
                *arguments.fresh,
            )
        settings = {
            "vla_path": base, "data_root_dir": data, "project_root": folder, "max_steps": arguments.steps,
            "save_steps": arguments.steps, "seed": arguments.seed, "enable_periodic_eval": False,
            "early_stopping_enabled": False, "log_every_steps": max(1, arguments.steps // 20),
            "run_id_note": "ablation",
        }  # fmt: skip
        words = [f"--{key}={value}" for key, value in settings.items()]
        call("vlatrain", str(arguments.config), *words, *arguments.set, *variant.words())
        checkpoint = max(folder.glob("adapter-tmp/*/step-*"), key=lambda path: path.stat().st_mtime)
        measured = json.loads(
            call("vlatrain.tools", "held-out", str(checkpoint), "--data", str(data / NAME)).splitlines()[-1]
        )
        if arguments.trials:
            measured |= played(call, folder, checkpoint, arguments)
    took_s = round(time.monotonic() - begun)
    keep(name, {"variant": name, "seed": arguments.seed, "steps": arguments.steps, "seconds": took_s, **measured})


def played(call: Any, folder: Path, checkpoint: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    result = folder / "result.json"
    words = ["--eval_task_suite_name=libero_spatial", f"--eval_num_trials_per_task={arguments.trials}"]
    words += [f"--project_root={folder}", "--eval_videos=none", f"--eval_batch_size={arguments.simulators}"]
    call("vlatrain.tools", "evaluate", str(checkpoint), *words, f"--result={result}")
    told = json.loads(result.read_text())
    return {key: told[key] for key in ("successes", "episodes", "low", "high")}


def slug(name: str) -> str:
    """A variant's name as that of a file."""
    return name.replace(" ", "-").replace(",", "").replace("'", "")


def keep(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{slug(name)}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result), flush=True)


def table() -> list[str]:
    """Of all results that there are, in the order of the variants."""
    known = {one["variant"]: one for one in (json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json")))}
    lines = ["| variant | trained on | steps | held-out L1 | success | 95 % |", "|---|---|---|---|---|---|"]
    for name in (name for name in VARIANTS if name in known):
        one = known[name]
        success = f"{one['successes']}/{one['episodes']}" if "episodes" in one else ""
        interval = f"{one['low']:.0f}-{one['high']:.0f}" if "episodes" in one else ""
        lines.append(f"| {name} | {one['device']} | {one['steps']:,} | {one['l1']:.4f} | {success} | {interval} |")
    return lines


def write_page() -> None:
    replace_between(PAGE, BEGIN, END, "\n".join(["", *table(), ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help=f"only write the table into {PAGE.name}")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "libero_small.yaml")
    parser.add_argument("--data", type=Path, help=f"holds {NAME}")
    parser.add_argument("--calm", type=Path, help="the same, recorded without --shaky")
    parser.add_argument("--out", type=Path, help="models and checkpoints")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--trials", type=int, default=0, help="episodes a task; 0: only the held-out actions")
    parser.add_argument("--simulators", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--gpus", type=int, default=0, help="variants side by side, one a GPU")
    parser.add_argument("--budget-s", type=float, default=500.0)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument(
        "--fresh", nargs="+", default=[], metavar="WORD", help="sizes of the model, as `fresh` has them: width=128"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="field=value", help="settings of all variants")
    arguments = parser.parse_args()
    if arguments.page:
        write_page()
        return
    arguments.fresh = [word for pair in arguments.fresh for word in (f"--{pair.split('=')[0]}", pair.split("=")[1])]
    arguments.set = [f"--{pair}" for pair in arguments.set]
    measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    until = time.monotonic() + arguments.budget_s
    waiting = [name for name in arguments.only if arguments.calm or not VARIANTS[name].is_calm]
    longest = 0.0

    def work(gpu: int) -> None:
        nonlocal longest
        while waiting and time.monotonic() + longest < until:
            began, name = time.monotonic(), waiting.pop(0)
            run(name, arguments, gpu)
            longest = max(longest, time.monotonic() - began)

    with ThreadPoolExecutor(max(1, arguments.gpus)) as pool:
        list(pool.map(work, range(max(1, arguments.gpus))))
    if waiting:
        print(f"not begun for want of time: {', '.join(waiting)}")


if __name__ == "__main__":
    main()
