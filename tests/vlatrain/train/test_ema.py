"""Means of the weights: what they are, that they are saved and evaluated, and that a resume goes on exactly."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
from training_runs import Workshop, adapter, is_same, train_state, trainer_state
from vlatrain.configuration.resolve import resolve
from vlatrain.train.ema import Ema, decay_at
from vlatrain.train.evaluating import evaluated
from vlatrain.train.session import open_session

SETTINGS: dict[str, Any] = {
    "ema_decay": 0.9,
    "lora_dropout": 0.2,
    "log_every_steps": 3,
    "save_steps": 3,
    "max_steps": 6,
    "enable_periodic_eval": True,
    "eval_every_steps": 3,
    "early_stopping_enabled": True,
    "keep_checkpoints": 10,
}


@pytest.mark.parametrize(
    ("step", "decay", "kept"), [(0, 0.999, 0.1), (8, 0.999, 0.5), (100_000, 0.999, 0.999), (0, 0.05, 0.05)]
)
def test_less_of_the_mean_is_kept_at_first(step: int, decay: float, kept: float) -> None:
    assert decay_at(step, decay) == pytest.approx(kept)


def test_means_follow_the_weights() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    ema, expected = Ema.of([weight], 0.9), 1.0
    for step in range(200):
        with torch.no_grad():
            weight.fill_(step)
        ema.follow(step)
        kept = decay_at(step, 0.9)
        expected = kept * expected + (1 - kept) * step
    torch.testing.assert_close(ema.means[0], torch.full((3,), expected))
    assert not ema.means[0].requires_grad


def test_means_stand_in_for_the_weights_and_leave_them_as_they_were() -> None:
    weights = [torch.nn.Parameter(torch.randn(4)), torch.nn.Parameter(torch.randn(2, 2))]
    before, places = [one.detach().clone() for one in weights], [one.data_ptr() for one in weights]
    ema = Ema.of(weights, 0.9)
    for mean in ema.means:
        mean.add_(1)
    with ema.standing_in():
        assert is_same([one.detach() for one in weights], ema.means)
    assert is_same([one.detach() for one in weights], before)
    assert [one.data_ptr() for one in weights] == places


def test_what_is_not_trained_is_saved_as_it_is() -> None:
    trained, frozen = torch.nn.Parameter(torch.ones(2)), torch.zeros(2)
    ema = Ema.of([trained], 0.9)
    ema.means[0].fill_(5)
    saved = ema.instead_of_weights({"trained": trained.detach(), "frozen": frozen})
    assert is_same(saved, {"trained": torch.full((2,), 5.0), "frozen": frozen})


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_stopped_and_resumed_is_never_stopped(workshop: Workshop, ranks: int) -> None:
    """The parts are killed in an evaluation, while the means stand in for the weights."""
    whole, parts = workshop.run("whole", **SETTINGS), workshop.run("parts", **SETTINGS)
    assert (whole.train_here() if ranks == 1 else whole.train(ranks=ranks)) == 0
    assert parts.train(ranks=ranks, environment={"VLAD_FAILPOINTS": "in_evaluation:kill"}) != 0
    assert (parts.train_here(*parts.resume()) if ranks == 1 else parts.train(*parts.resume(), ranks=ranks)) == 0
    assert is_same(adapter(parts.latest), adapter(whole.latest))
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))
    assert train_state(parts.latest) == train_state(whole.latest)
    assert parts.steps == whole.steps


def test_training_is_the_same_with_and_without_means_and_checkpoints_hold_the_means(workshop: Workshop) -> None:
    settings = {**SETTINGS, "max_steps": 3}
    plain, with_means = workshop.trained("plain", **{**settings, "ema_decay": 0.0}), workshop.trained("a", **settings)
    assert with_means.steps == plain.steps
    assert trainer_state(plain.latest)["vlatrain"]["trained"] is None
    trained = trainer_state(with_means.latest)["vlatrain"]["trained"]
    assert sums(trained) == sums(adapter(plain.latest).values())
    assert not is_same(adapter(with_means.latest), adapter(plain.latest))


def sums(tensors: Iterable[torch.Tensor]) -> list[float]:
    """What tells whether they are the same ones in another order."""
    return sorted(float(one.double().sum()) for one in tensors)


def test_a_run_that_drops_the_means_goes_on_from_the_weights(workshop: Workshop) -> None:
    settings = {**SETTINGS, "enable_periodic_eval": False, "early_stopping_enabled": False}
    plain = workshop.trained("plain", **{**settings, "ema_decay": 0.0})
    parts = workshop.trained("parts", **{**settings, "max_steps": 3})
    assert parts.train_here(*parts.resume(), "--max_steps", "6", "--ema_decay", "0") == 0
    assert is_same(adapter(parts.latest), adapter(plain.latest))
    assert parts.steps == plain.steps


def test_evaluations_ask_the_means(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from within: what the policy computes with, and what training has again afterwards."""
    run = workshop.run(**SETTINGS)
    config = resolve(run._config(), {}, {}).config
    asked: list[list[torch.Tensor]] = []
    with open_session(config) as session, closing(session.checkpoints):
        learner = session.learner
        assert learner.ema is not None
        for mean in learner.ema.means:
            mean.add_(1)
        weights = [one.detach().clone() for one in learner.trained]

        def predict(*_: object, **__: object) -> torch.Tensor:
            asked.append([one.detach().clone() for one in learner.trained])
            return torch.from_numpy(session.codec.actions.encode(np.zeros((1, 7)))).expand(len(_[1]), 7)  # type: ignore[arg-type]

        monkeypatch.setattr(type(learner.vla), "predict", predict)
        evaluated(session, session.start)
        assert asked
        assert all(is_same(one, learner.ema.means) for one in asked)
        assert is_same([one.detach() for one in learner.trained], weights)
