"""Which graphs of passes are kept; capturing itself is tested on GPUs."""

import logging
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from vlatrain.fast.pass_graphs import Inputs, PassGraphs


class Recorder:
    """Captures nothing: doing it again is doing it. Runs it once first, as a capture is preceded by runs."""

    def __init__(self) -> None:
        self.captures = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        work()
        return work


def added(total: Tensor, inputs: Inputs) -> None:
    total += inputs["ids"].sum()


def run(graphs: PassGraphs, total: Tensor, *lengths: int) -> None:
    for length in lengths:
        graphs.run({"ids": torch.ones(length)}, lambda inputs: added(total, inputs), [total])


def test_each_shape_is_captured_once_and_runs_before_a_capture_leave_no_trace() -> None:
    recorder, total = Recorder(), torch.zeros(())
    run(PassGraphs(capture=recorder), total, 4, 8, 4, 8, 8)
    assert recorder.captures == 2
    assert total == 4 + 8 + 4 + 8 + 8


def test_of_too_many_shapes_the_longest_unused_is_forgotten_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder, total = Recorder(), torch.zeros(())
    graphs = PassGraphs(most=2, capture=recorder)
    with caplog.at_level(logging.WARNING):
        run(graphs, total, 4, 8, 4, 12)
    assert recorder.captures == 3
    assert caplog.messages == ["capturing a pass over 12; 2 graphs are the most, one is forgotten for it"]
    run(graphs, total, 4)
    assert recorder.captures == 3, "4 was used after 8"
    run(graphs, total, 8)
    assert recorder.captures == 4
    assert total == 4 + 8 + 4 + 12 + 4 + 8
