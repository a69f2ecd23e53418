"""A pass forward and backward as a CUDA graph: launched at once, where its kernels one by one would take longer."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from vlatrain.fast.capture import captured, warm_up

Inputs = Mapping[str, Tensor]
Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes of work what does it again."""
WARM_UPS = 2
MOST_GRAPHS = 24
"""Kept at a time: for texts of as many lengths, which differ by steps of 2. Each is captured once, which takes some
steps' time; they share their working memory."""

log = logging.getLogger(__name__)


class PassGraphs:
    """Graphs of one function of tensors, one for each set of shapes; they share their working memory.

    Of more than `most` shapes those that were used longest ago are forgotten, and captured again when they come back.
    What the function changes must be tensors that are there before it is called, and named in `changed`: they are put
    back after the runs that precede a capture.
    """

    def __init__(self, most: int = MOST_GRAPHS, capture: Capture | None = None) -> None:
        self._most = most
        self._graphs: dict[tuple[torch.Size, ...], tuple[Callable[[], None], Inputs]] = {}
        """The longest unused first."""
        self._capture = capture or _Pool()

    def run(self, inputs: Inputs, function: Callable[[Inputs], None], changed: Sequence[Tensor]) -> None:
        """The function's work on these inputs. It is called, and captured, where shapes are new."""
        shapes = tuple(tensor.shape for tensor in inputs.values())
        known = self._graphs.pop(shapes, None)
        if known is None:
            self._make_room(shapes)
            known = self._captured(inputs, function, changed)
        self._graphs[shapes] = known
        replay, places = known
        for name, tensor in inputs.items():
            places[name].copy_(tensor)
        replay()

    def _make_room(self, shapes: tuple[torch.Size, ...]) -> None:
        told = " ".join("x".join(map(str, shape)) for shape in shapes)
        if len(self._graphs) < self._most:
            log.info("capturing a pass over %s: graph %d of at most %d", told, len(self._graphs) + 1, self._most)
            return
        del self._graphs[next(iter(self._graphs))]
        log.warning("capturing a pass over %s; %d graphs are the most, one is forgotten for it", told, self._most)

    def _captured(
        self, inputs: Inputs, function: Callable[[Inputs], None], changed: Sequence[Tensor]
    ) -> tuple[Callable[[], None], Inputs]:
        places = {name: tensor.clone() for name, tensor in inputs.items()}
        with _put_back(changed):
            return self._capture(partial(function, places)), places


class _Pool:
    """Captures work as CUDA graphs in one working memory, after the runs on the side that capturing demands."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        warm_up(work, WARM_UPS)
        graph, _ = captured(work, self._pool)
        return graph.replay


@contextmanager
def _put_back(changed: Sequence[Tensor]) -> Iterator[None]:
    kept = [tensor.clone() for tensor in changed]
    yield
    with torch.no_grad():
        for tensor, before in zip(changed, kept, strict=True):
            tensor.copy_(before)


def flat_gradients(parameters: Sequence[Tensor]) -> Tensor:
    """One zeroed tensor for the gradients of fp32 parameters, which become views of it: cleared and sent at once."""
    flat = torch.zeros(sum(one.numel() for one in parameters), device=parameters[0].device)
    parts = torch.split(flat, [one.numel() for one in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
    return flat
