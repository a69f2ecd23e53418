"""Learns several LIBERO recipes from the same demonstrations, one after the other call, in the time that each call has.

    source benchmarks/libero_environment.sh
    python3 benchmarks/libero_campaign.py OUT --call-s 560 --train-s 650 --gpus 2 --keep "$KEEP"      as often as needed

A call goes on where the last one was, and returns when its time is over or all is done (exit status 0; 75: more to do;
1: a stage failed, its log is shown). What runs between two calls goes on by itself: demonstrations in a session of
their own, training under vlad. The stages: demonstrations; for each recipe a fresh model, the seconds that a step
takes, a run under vlad of as many steps as fit into --train-s with an evaluation at its half and its end; the last
checkpoint, which nobody has chosen by its success, on the benchmark's first --trials states a task. --keep gets
journals, results, and last of all a model in half precision.

--set changes a setting of all recipes. A recipe that is named again with settings of its own is learned beside itself:

    --recipes libero_small_published libero_small_published,proprio_loss_weight=0
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SUITE = "libero_spatial"
UNFINISHED = 75
POLL_S = 1.0
LEAST_STEPS = 50
PART_BYTES = 15_000_000
PLAIN = "compile=off cuda_graph=off"
"""What is trained with where a step fails as the recipe is"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One configuration but for its own `settings`, and the GPUs that it has from the one numbered `first`."""

    config: Path
    first: int
    gpus: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`libero_small`, or `libero_small-ema_decay-0` with settings of its own."""
        return "-".join([self.config.stem, *(re.sub(r"\W+", "-", one) for one in self.settings)])

    @property
    def base(self) -> str:
        """The fresh model, below the campaign's folder."""
        known: str = yaml.safe_load(self.config.read_text())["vla_path"]
        return f"bases/{self.name}" if self.settings else known

    @property
    def visible(self) -> str:
        return ",".join(str(gpu) for gpu in range(self.first, self.first + self.gpus))


def fresh_words(config: Path) -> list[str]:
    """The words for the tool `fresh` that make a model which fits the recipe."""
    known = yaml.safe_load(config.read_text())
    inputs = ["--wrist"] * known["use_wrist_image"] + ["--proprio"] * known["use_proprio"]
    return [*inputs, "--chunk", str(known["action_chunk"]), "--stem", "conv"]


class Failed(Exception):
    """A stage ended with an error."""


@dataclass(frozen=True)
class Campaign:
    arguments: argparse.Namespace
    until: float

    @property
    def out(self) -> Path:
        folder: Path = self.arguments.out
        return folder

    @property
    def data(self) -> Path:
        return self.out / "datasets" / f"{SUITE}_no_noops"

    def stage(self, name: str, words: list[str], gpus: str | None = None) -> bool:
        """Whether it is over; begun where it is not, in a session that outlives this call. Raises Failed."""
        folder = self.out / "stages"
        folder.mkdir(parents=True, exist_ok=True)
        over, log, begun = (folder / f"{name}.{ending}" for ending in ("over", "log", "begun"))
        if over.exists() and over.read_text().strip():
            if over.read_text().strip() != "0":
                raise Failed(f"{name}: {log.read_text()[-3000:]}")
            return True
        if not begun.exists():
            begun.touch()
            self.tell(f"{name} begins")
            visible = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
            script = '"$@" > "$0.log" 2>&1; echo $? > "$0.over"'
            subprocess.Popen(
                ["sh", "-c", script, str(folder / name), *words],
                env={**os.environ, **visible},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return False

    def tell(self, text: str) -> None:
        print(f"== {time.strftime('%H:%M:%S')} {text}", flush=True)

    def demonstrations(self) -> bool:
        one = self.arguments
        words = ["demos", "--suite", SUITE, "--episodes", str(one.episodes), "--out", str(self.out / "datasets")]
        return self.stage("demonstrations", [*tools(), *words, "--shaky", "--shards", "16", *one.demos.split()])

    def learnt(self, recipe: Recipe) -> bool:
        """All stages of one recipe, each begun when the one before is over."""
        base = self.out / recipe.base
        sizes = self.arguments.fresh.split()
        fresh = [*tools(), "fresh", "--data", str(self.data), "--out", str(base), *fresh_words(recipe.config), *sizes]
        has_gpus = self.arguments.gpus > 0
        visible = recipe.visible if has_gpus else None
        settings = [f"{key}={value}" for key, value in self.settings(recipe).items()]
        paced = [word for one in settings for word in ("--set", one)]
        pace = [sys.executable, "benchmarks/libero_pace.py", str(recipe.config), "--processes", str(recipe.gpus)]
        pace += ["--otherwise", PLAIN] if has_gpus else []
        pace += ["--fresh", " ".join([*fresh_words(recipe.config), *sizes]), "--", *paced]
        if not (self.stage(f"{recipe.name}-fresh", fresh) and self.stage(f"{recipe.name}-pace", pace, visible)):
            return False
        return self.trained(recipe, settings) and self.evaluated(recipe, visible)

    def settings(self, recipe: Recipe) -> dict[str, str]:
        """Batches are of the whole recipe, whatever the number of GPUs."""
        batch = int(yaml.safe_load(recipe.config.read_text())["batch_size"]) // max(1, recipe.gpus)
        chosen = dict(one.split("=", 1) for one in [*self.arguments.set, *recipe.settings])
        return {"batch_size": str(batch), "vla_path": recipe.base, **chosen}

    def trained(self, recipe: Recipe, settings: list[str]) -> bool:
        if not self.stage(f"{recipe.name}-start", self.start(recipe, settings)):
            return False
        wait = ["wait", recipe.name]
        return self.stage(f"{recipe.name}-train", [*vlad(), *wait])

    def start(self, recipe: Recipe, settings: list[str]) -> list[str]:
        """The steps that fit, halved by an evaluation."""
        log = self.out / "stages" / f"{recipe.name}-pace.log"
        *faster, pace = log.read_text().splitlines()[-1].split()
        pace_s = float(pace)
        settings = [*settings, *faster]
        half = max(LEAST_STEPS, int(self.arguments.train_s / pace_s / 2))
        steps = {"max_steps": 2 * half, "save_steps": half, "eval_every_steps": half, "lr_warmup_steps": half // 10}
        words = ["start", str(max(1, recipe.gpus)), "--config", str(recipe.config), "--project-root", str(self.out)]
        told = dict(one.split("=", 1) for one in settings)
        chosen = [f"{key}={value}" for key, value in {**steps, **told}.items()]
        gpus = ["--gpus", f"{recipe.visible},"] if self.arguments.gpus else []
        named = [*words, "--name", recipe.name, *gpus]
        return [*vlad(), *named, *(word for one in chosen for word in ("--set", one))]

    def evaluated(self, recipe: Recipe, visible: str | None) -> bool:
        if not self.arguments.trials:
            return True
        words = ["eval", recipe.name, "--last", "--trials", str(self.arguments.trials), "--videos", "first"]
        words += ["--set", "compile=off"]  # which would take longer than it saves
        words += ["--workers", str(self.arguments.simulators), "--batch-size", str(self.arguments.simulators)]
        result = str(self.out / f"{recipe.name}.json")
        return self.stage(f"{recipe.name}-eval", [*vlad(), *words, "--result", result], visible and visible[:1])

    def run(self, recipes: list[Recipe]) -> int:
        """Until all is done or the time of this call is over."""
        while True:
            stages = [self.learnt(recipe) for recipe in recipes] if self.demonstrations() else [False]
            done = all(stages)
            if done or time.monotonic() > self.until:
                self.keep(recipes, done=done)
                return 0 if done else UNFINISHED
            time.sleep(POLL_S)

    def keep(self, recipes: list[Recipe], *, done: bool) -> None:
        """What is worth bringing home: at most eight files."""
        for log in sorted((self.out / "stages").glob("*.log")):
            lines = log.read_text().replace("\r", "\n").strip().splitlines()
            self.tell(f"{log.stem}: {' | '.join(lines[-12:] if log.stem.endswith('eval') else lines[-2:])}")
        for recipe in recipes:
            subprocess.run([*vlad(), "logs", recipe.name, "-n", "4"], stderr=subprocess.DEVNULL, check=False)
        if self.arguments.keep is None:
            return
        keep = self.arguments.keep
        keep.mkdir(parents=True, exist_ok=True)
        home = Path(os.environ["VLAD_HOME"])
        small = [*home.glob("runs/*/*.jsonl"), *home.glob("runs/*/spec.json"), *self.out.glob("*.json")]
        small += [
            *self.out.glob("stages/*.log"),
            *self.data.glob("demonstrations.json"),
            *self.out.glob("runs/**/EVAL-*"),
        ]
        listing = self.out / "kept.txt"
        listing.write_text(
            "".join(f"{path.relative_to(self.out)}\n" for path in small if path.is_relative_to(self.out))
        )
        subprocess.run(["tar", "-C", self.out, "-czf", keep / "journals.tar.gz", "-T", listing], check=False)
        if done and self.arguments.model:
            self.keep_model()

    def keep_model(self) -> None:
        """One recipe's best model, in parts."""
        last = json.loads((self.out / f"{self.arguments.model}.json").read_text())["checkpoint"]
        half = self.out / "half"
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run([sys.executable, ROOT / "benchmarks" / "half_precision.py", last, half], check=True)
        whole = subprocess.run(["tar", "-C", half, "-c", "."], check=True, capture_output=True).stdout
        for number in range(0, len(whole), PART_BYTES):
            part = self.arguments.keep / f"model.tar.{number // PART_BYTES:02d}"
            part.write_bytes(whole[number : number + PART_BYTES])


def named(told: str, first: int, gpus: int) -> Recipe:
    """A recipe from its word of the command line."""
    name, *settings = told.split(",")
    return Recipe(config=ROOT / "configs" / f"{name}.yaml", first=first, gpus=gpus, settings=tuple(settings))


def tools() -> list[str]:
    return [sys.executable, "-m", "vlatrain.tools"]


def vlad() -> list[str]:
    return [sys.executable, "-c", "from vlad.cli import main; main()"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--recipes",
        nargs="+",
        default=["libero_small", "libero_small_published"],
        metavar="NAME[,FIELD=VALUE]",
        help="configurations, each with settings of its own if wanted",
    )
    parser.add_argument("--episodes", type=int, default=600, help="demonstrations")
    parser.add_argument("--demos", default="", help="further words for `vlad demos`")
    parser.add_argument("--fresh", default="", help="further words for `vlatrain.tools fresh`, such as sizes")
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="settings of all recipes")
    parser.add_argument(
        "--gpus", type=int, default=0, help="GPUs of this machine: shared out, or waited for; 0: the CPU"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first of these GPUs")
    parser.add_argument("--train-s", type=float, default=650.0, help="seconds of training a recipe")
    parser.add_argument("--trials", type=int, default=20, help="episodes a task of the last evaluation")
    parser.add_argument("--simulators", type=int, default=16)
    parser.add_argument("--call-s", type=float, default=560.0, help="seconds after which this call returns")
    parser.add_argument("--keep", type=Path, help="where what is brought home goes")
    parser.add_argument("--model", default="", help="also keep the last model of this recipe, when all is done")
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.call_s
    arguments.out = arguments.out.absolute()
    os.environ.setdefault("VLAD_HOME", str(arguments.out / "home"))
    each = max(1, arguments.gpus // len(arguments.recipes))
    firsts = [arguments.first + number * each % max(1, arguments.gpus) for number in range(len(arguments.recipes))]
    recipes = [named(told, first, each) for told, first in zip(arguments.recipes, firsts, strict=True)]
    try:
        return Campaign(arguments, until).run(recipes)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
