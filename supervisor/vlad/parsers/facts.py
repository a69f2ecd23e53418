"""What one line of a training log can tell, whoever wrote it."""

import math
import re
from collections.abc import Mapping

import msgspec

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_NAMES = {
    "lr": "learning_rate",
    "learning_rate": "learning_rate",
    "loss": "loss",
    "train_loss": "loss",
    "train/loss": "loss",
    "epoch": "epoch",
    "epch": "epoch",
    "sec/step": "step_s",
    "s/step": "step_s",
    "step_s": "step_s",
    "updt_s": "step_s",
}


class SeenStep(msgspec.Struct, frozen=True, kw_only=True):
    """An optimizer update; without a `step` it is the one that a progress bar counted last. Durations in seconds."""

    step: int | None = None
    max_steps: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    step_s: float | None = None
    epoch: float | None = None
    metrics: Mapping[str, float] = {}


class SeenBar(msgspec.Struct, frozen=True, kw_only=True):
    """A progress bar that counts updates: `done` of `total`, of one epoch where it names one (the last if known)."""

    done: int
    total: int
    epoch: int | None = None
    last_epoch: int | None = None
    update: SeenStep = SeenStep()


class SeenSuite(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation of this suite begins."""

    suite: str


class SeenEpisodes(msgspec.Struct, frozen=True, kw_only=True):
    """How far the evaluation has come; None for what the line does not tell."""

    successes: int | None = None
    episodes: int | None = None


class SeenEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation is done. The rate is in percent; what is None was told by lines before, or by none."""

    success_rate: float | None = None
    step: int | None = None
    successes: int | None = None
    episodes: int | None = None
    suite: str | None = None


class SeenMark(msgspec.Struct, frozen=True, kw_only=True):
    """The exact step at which something is done that is no update; lines before may have told it rounded."""

    step: int


Fact = SeenStep | SeenBar | SeenSuite | SeenEpisodes | SeenEvaluation | SeenMark


def step_from(figures: Mapping[str, float], step: int | None = None, max_steps: int | None = None) -> SeenStep:
    """An update from named numbers; those without a field of their own are metrics, and what is no number is none."""
    finite = {name: value for name, value in figures.items() if math.isfinite(value)}
    known = {_NAMES[name]: value for name, value in finite.items() if name in _NAMES}
    metrics = {name: value for name, value in finite.items() if name not in _NAMES}
    return SeenStep(step=step, max_steps=max_steps, metrics=metrics, **known)


def whole(text: str | None) -> int | None:
    """A whole number, also rounded as "20K"; None for anything else."""
    match = re.fullmatch(r"(\d{1,15})([KMB]?)", text or "")
    return int(match[1]) * {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}[match[2]] if match else None
