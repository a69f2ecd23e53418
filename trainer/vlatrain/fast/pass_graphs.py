"""A pass forward and backward as a CUDA graph: launched at once, where its kernels one by one would take longer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from vlatrain.fast.streams import aside, captured

Inputs = Mapping[str, Tensor]
WARM_UPS = 2


class PassGraphs:
    """Graphs of one function of tensors, one for each set of shapes; they share their working memory.

    What the function changes must be tensors that are there before it is called, and named in `changed`: they are put
    back after the runs that precede a capture.
    """

    def __init__(self) -> None:
        self._graphs: dict[tuple[torch.Size, ...], tuple[torch.cuda.CUDAGraph, Inputs]] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, inputs: Inputs, function: Callable[[Inputs], None], changed: Sequence[Tensor]) -> None:
        """The function's work on these inputs. It is called, and captured, where shapes are new."""
        shapes = tuple(tensor.shape for tensor in inputs.values())
        if shapes not in self._graphs:
            self._graphs[shapes] = self._captured(inputs, function, changed)
        graph, places = self._graphs[shapes]
        for name, tensor in inputs.items():
            places[name].copy_(tensor)
        graph.replay()

    def _captured(
        self, inputs: Inputs, function: Callable[[Inputs], None], changed: Sequence[Tensor]
    ) -> tuple[torch.cuda.CUDAGraph, Inputs]:
        places = {name: tensor.clone() for name, tensor in inputs.items()}
        with _put_back(changed), aside():
            for _ in range(WARM_UPS):
                function(places)
        graph = torch.cuda.CUDAGraph()
        with captured(graph, self._pool):
            function(places)
        return graph, places


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
