"""Dictionaries that trainers print: the HF Trainer's logs and evaluations, lerobot's aggregated evaluations."""

import re

from vlad.parsers.facts import NUMBER, Fact, SeenEvaluation, step_from

_DICTIONARY = re.compile(r"\{'[^{}]*\}")
_PAIR = re.compile(rf"'([^']{{1,100}})': ?'?({NUMBER})'?(?=[,}}])")
_FRACTIONS = ("eval_success_rate", "success_rate", "eval/success_rate")
_EPISODES = ("n_episodes", "eval_episodes", "episodes")


def parse(line: str) -> Fact | None:
    """A success rate of at most 1 is a fraction, except lerobot's `pc_success`, which is in percent."""
    found = _DICTIONARY.search(line)
    if found is None:
        return None
    figures = {name: float(value) for name, value in _PAIR.findall(found[0])}
    if any(name in figures for name in ("pc_success", *_FRACTIONS)):
        return _evaluation(figures)
    if "loss" not in figures:
        return None
    step = figures.pop("step", None)
    return step_from(figures, int(step) if step is not None and step.is_integer() else None)


def _evaluation(figures: dict[str, float]) -> Fact | None:
    rate = figures.get("pc_success")
    if rate is None:
        told = next(figures[name] for name in _FRACTIONS if name in figures)
        rate = 100 * told if told <= 1 else told
    episodes = next((int(figures[name]) for name in _EPISODES if name in figures), None)
    if not 0 <= rate <= 100:
        return None
    return SeenEvaluation(success_rate=rate, episodes=episodes)
