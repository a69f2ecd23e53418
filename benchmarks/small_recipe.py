"""The step of a LIBERO recipe that trains a small model whole, on made frames of the true format."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from libero_campaign import fresh_words
from libero_pace import episode
from vlatrain.configuration.resolve import resolve
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.fast.feeding import Feed
from vlatrain.tools import fresh
from vlatrain.tools.cli import parsed
from vlatrain.train.session import Session, open_session
from vlatrain.train.step import model_inputs

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {"one picture": "libero_small_published", "two pictures": "libero_small"}
EPISODES = 8
DATASET = "libero_spatial_no_noops"
MADE = {
    "vla_path": "bases/made",
    "enable_periodic_eval": "false",
    "early_stopping_enabled": "false",
    "max_steps": 1_000_000,
    "save_steps": 1_000_000,
    "num_workers": 2,
}


def recipe_file(recipe: str) -> Path:
    return ROOT / "configs" / f"{recipe}.yaml"


def made_project(folder: Path, recipe: str, sizes: str = "") -> Path:
    """A project with frames and a fresh model for `recipe`; `sizes` are further words for the tool `fresh`."""
    data = write_rlds(folder / "datasets", DATASET, [episode(number) for number in range(EPISODES)], 1)
    words = ["--data", str(data), "--out", str(folder / "bases" / "made"), *fresh_words(recipe_file(recipe))]
    fresh.write(parsed(["fresh", *words, *sizes.split()]))
    return folder


@contextmanager
def opened(project: Path, recipe: str, settings: Mapping[str, Any]) -> Iterator[tuple[Session, Feed]]:
    """The recipe's session with `settings` besides, and its feed, as the training loop has them."""
    fields = {**MADE, "project_root": project, **settings}
    config = resolve(recipe_file(recipe), {name: str(value) for name, value in fields.items()}, {}).config
    with open_session(config) as session, closing(session.checkpoints), closing(session.batches.stream(0)) as batches:
        prepare = partial(model_inputs, session.learner, codec=session.codec, config=config)
        yield session, Feed(batches, prepare, session.learner.device)
