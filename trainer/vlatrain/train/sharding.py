"""A base model spread over the ranks (FSDP2), for cards that cannot hold it: each block is gathered while it works.

Adapters stay whole on every rank, so that checkpoints, optimizer and resumes are those of unsharded training; their
gradients are averaged once a step. Every pass, forward or backward, is then a collective of all ranks.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

from vlatrain.distributed import Ranks
from vlatrain.model.openvla import OpenVLA

Result = TypeVar("Result")


def shard(vla: OpenVLA, ranks: Ranks, device: torch.device) -> None:
    """Spreads the frozen weights of all blocks over the ranks, in place; what is shared or trained stays whole.

    Blocks that are still on the CPU go to the device one after the other, so that no card ever holds the whole.
    """
    mesh = init_device_mesh(device.type, (ranks.world_size,))
    decoder, towers = vla.language_model.model, vla.vision_backbone
    _shard_blocks(decoder, decoder.layers, mesh)
    _shard_blocks(towers, [*towers.featurizer.blocks, *towers.fused_featurizer.blocks], mesh)


def _shard_blocks(whole: nn.Module, blocks: Iterable[nn.Module], mesh: DeviceMesh) -> None:
    """`whole` must be entered by its own forward: it orders the gathering of its blocks."""
    for block in blocks:
        fully_shard(block, mesh=mesh, ignored_params={one for one in block.parameters() if one.requires_grad})
    fully_shard(whole, mesh=mesh, ignored_params=_outside(whole, blocks))


def _outside(whole: nn.Module, blocks: Iterable[nn.Module]) -> set[nn.Parameter]:
    """What `whole` itself must not shard: everything that no block has taken."""
    taken = {id(parameter) for block in blocks for parameter in block.parameters() if not parameter.requires_grad}
    return {parameter for parameter in whole.parameters() if id(parameter) not in taken}


class Gathers:
    """Keeps the ranks in step where the memory of one of them runs out in the middle of a prediction.

    The others wait for its part of each block that is still to come; so it hands them out without computing.
    """

    def __init__(self, vla: OpenVLA) -> None:
        decoder, towers = vla.language_model.model, vla.vision_backbone
        self._roots: list[Any] = [towers, decoder]
        self._blocks: list[Any] = [*towers.featurizer.blocks, *towers.fused_featurizer.blocks, *decoder.layers]
        self._order: list[Any] = []
        """As a whole prediction gathers them; it is always the same."""

    def predicted(self, predict: Callable[[], Result]) -> Result:
        """What `predict` returns. Collective. Where the memory runs out the other ranks' prediction is not disturbed.

        Raises torch.OutOfMemoryError, on this rank only.
        """
        seen: list[nn.Module] = []
        hooks = [block.register_forward_pre_hook(lambda block, _: seen.append(block)) for block in self._blocks]
        try:
            result = predict()
        except torch.OutOfMemoryError as error:
            reason = str(error)  # the error itself holds on to all that was computed
        else:
            self._order = seen
            return result
        finally:
            for hook in hooks:
                hook.remove()
        self._hand_out(self._order[len(seen) :])
        raise torch.OutOfMemoryError(reason)

    @torch.inference_mode()  # as the prediction: gathered tensors may be such that change nowhere else
    def _hand_out(self, blocks: list[Any]) -> None:
        """The first may be here or on its way already: to ask for it once more changes nothing then."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for block in blocks[:1]:
            block.unshard()
        for root in self._roots:
            if hasattr(root, "reset_iter_state"):  # since torch 2.13
                root.reset_iter_state()
        for block in self._blocks:
            block.reshard()
        for block in blocks[1:]:
            block.unshard()
            block.reshard()


@torch.no_grad()
def average_gradients(parameters: Sequence[Tensor]) -> None:
    """The mean over the ranks of what each has computed. Collective."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    average(flat)
    means = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def average(flat: Tensor) -> None:
    """The mean over the ranks, in place. Collective."""
    if dist.is_initialized():
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
