"""The head that foretells the hand's state in a checkpoint: beside the model and its optimizer, never within them."""

from collections.abc import Mapping
from typing import Any

from vlatrain.train.learner import Learner


def optimizer_state(learner: Learner) -> dict[str, Any]:
    """That of the model's parameters alone, as it is without a head."""
    saved: dict[str, Any] = learner.optimizer.state_dict()
    groups = saved["param_groups"][: len(learner.groups)]
    own = {number for group in groups for number in group["params"]}
    return {
        "state": {number: one for number, one in saved["state"].items() if number in own},
        "param_groups": groups,
    }


def head_state(learner: Learner) -> dict[str, Any] | None:
    """Weights of the head, and the optimizer's state of each in their order; None where there is no head."""
    if learner.proprio_head is None:
        return None
    saved = learner.optimizer.state_dict()
    numbers = saved["param_groups"][-1]["params"]
    return {
        "weights": learner.proprio_head.state_dict(),
        "optimizer": [saved["state"][number] for number in numbers if number in saved["state"]],
    }


def with_head(learner: Learner, saved: Mapping[str, Any], head: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `optimizer_state` and `head_state` gave, as this optimizer loads it.

    Of a head that was not saved nothing is known: it begins anew.
    """
    if learner.proprio_head is None:
        return dict(saved)
    group = learner.optimizer.state_dict()["param_groups"][-1]
    known = [] if head is None else head["optimizer"]
    return {
        "state": {**saved["state"], **dict(zip(group["params"], known, strict=False))},
        "param_groups": [*saved["param_groups"], group],
    }


def fits(learner: Learner, head: Mapping[str, Any] | None) -> bool:
    """Whether a saved head is of the shapes that are trained here."""
    if head is None or learner.proprio_head is None:
        return False
    own = {name: one.shape for name, one in learner.proprio_head.state_dict().items()}
    return own == {name: one.shape for name, one in head["weights"].items()}
