"""Where the time of a step goes, told in the log."""

import torch
from vlatrain.train.profiling import WARM_UP_STEPS, StepProfile

CPU = torch.device("cpu")


def told(steps: int, made: int) -> list[str]:
    lines: list[str] = []
    profile = StepProfile(steps, CPU, lines.append)
    for _ in range(made):
        torch.ones(64, 64) @ torch.ones(64, 64)
        profile.made_one()
    profile.close()
    return lines


def test_after_the_first_steps_the_work_of_the_next_is_told_once() -> None:
    lines = told(3, WARM_UP_STEPS + 20)
    assert lines[0].startswith("3 steps of ")
    assert "operators" in lines[0]
    product = next(line for line in lines if line.endswith("aten::mm"))
    assert product.split()[2] == "1.0"
    assert sum("steps of" in line for line in lines) == 1


def test_nobody_who_did_not_ask_is_told_anything() -> None:
    assert told(0, WARM_UP_STEPS + 20) == []


def test_a_run_that_ends_meanwhile_tells_what_was_seen() -> None:
    assert told(5, WARM_UP_STEPS + 4)[0].startswith("4 steps of ")
    assert told(5, WARM_UP_STEPS - 1) == []
