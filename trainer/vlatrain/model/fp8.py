"""The decoder's frozen weights in 8 bits (e4m3, a scale a row), for cards whose matrix units multiply in fp8.

Forward y = x W^T: rows of x are scaled and rounded, rows of W were so when loaded. Backward dx = dy W: columns of dy
take over the scales of W's rows, so that the bytes of W, transposed, serve as they are; then rows of dy are rounded.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vlatrain.configuration.speed import keeps_transposes
from vlatrain.errors import ConfigError
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.openvla import OpenVLA

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max
LEAST_CAPABILITY = (8, 9)


def check_has_fp8(device: torch.device) -> None:
    """Raises ConfigError for a device that multiplies in fp8 not at all, or only by emulation."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= LEAST_CAPABILITY:
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    raise ConfigError(f"--base_precision fp8: {name} has no fp8 products; take bf16 or nf4", "base_precision")


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Each row [..., K] as fp8 numbers and the fp32 factor [..., 1] that brings them back."""
    values = rows.float()
    scales = values.abs().amax(-1, keepdim=True).clamp(min=1e-12) / LARGEST
    return (values / scales).to(FP8), scales


def scaled_product(rows: Tensor, row_scales: Tensor, columns: Tensor, column_scales: Tensor, to: torch.dtype) -> Tensor:
    """rows [M, K] times columns [K, N], which lie in memory as [N, K]; scales [M, 1] and [1, N]."""
    if rows.is_cuda:
        return torch._scaled_mm(rows, columns, row_scales, column_scales, out_dtype=to, use_fast_accum=True)
    return ((rows.float() @ columns.float()) * row_scales * column_scales).to(to)


def product(rows: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
    """rows [M, K] times W^T [K, N], in the type of `rows`; `scales` [N, 1] are of the rows of W's bytes `weight`."""
    return scaled_product(*rounded(rows), weight.t(), scales.t(), rows.dtype)


def product_back(gradient: Tensor, weight: Tensor, scales: Tensor, transposed: Tensor) -> Tensor:
    """gradient [M, N] times W [N, K], in its type. `transposed` is W's bytes as [K, N], or empty: then they are
    transposed here.
    """
    return rounded_product_back(*rounded(gradient.float() * scales.t()), weight, transposed, gradient.dtype)


def rounded_product_back(
    rows: Tensor, row_scales: Tensor, weight: Tensor, transposed: Tensor, to: torch.dtype
) -> Tensor:
    """The same of a gradient that has the scales of W's rows in it, and is rounded."""
    columns = (transposed if transposed.numel() else weight.t().contiguous()).t()
    ones = torch.ones(1, weight.shape[1], device=rows.device)
    return scaled_product(rows, row_scales, columns, ones, to)


class _Product(torch.autograd.Function):
    """x W^T of a frozen W, with `transposed` as in `product_back`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, scales: Tensor, transposed: Tensor) -> Tensor:
        ctx.save_for_backward(weight, scales, transposed)
        out = product(inputs.reshape(-1, inputs.shape[-1]), weight, scales)
        return out.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inner = product_back(gradient.reshape(-1, gradient.shape[-1]), *ctx.saved_tensors)
        return inner.view(*gradient.shape[:-1], -1), None, None, None


class Fp8Linear(nn.Linear):
    """A frozen linear without bias; `scales` [out, 1] are of the rows of its fp8 weight [out, in]."""

    scales: Tensor
    transposed: Tensor

    def __init__(self, matrix: nn.Linear, device: torch.device, *, keeps_transpose: bool) -> None:
        super().__init__(matrix.in_features, matrix.out_features, bias=False, device="meta")
        weight, scales = rounded(matrix.weight.detach().to(device))
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_buffer("scales", scales)
        self.register_buffer("transposed", weight.t().contiguous() if keeps_transpose else weight.new_empty(0))

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out], in the inputs' type."""
        out: Tensor = _Product.apply(inputs, self.weight, self.scales, self.transposed)  # type: ignore[no-untyped-call]  # torch's gap
        return out


def to_fp8(vla: OpenVLA, device: torch.device, *, keeps_transpose: bool | None = None) -> None:
    """Rounds the matrices of the decoder's layers, in place, one after the other on their way to the device.

    To be called after adapters are added. `keeps_transpose` None keeps a second copy, transposed for the backward pass,
    where `keeps_transposes` finds the card large enough; else each is transposed when it is needed.
    """
    layers = vla.language_model.model.layers
    weights = sum(weights for _, weights in _frozen_linears(layers))
    keeps = keeps_transposes(weights, usable_bytes(device)) if keeps_transpose is None else keeps_transpose
    for layer in layers:
        assert isinstance(layer, DecoderLayer)
        for name in [name for name, _ in _frozen_linears(layer)]:  # whoever held the modules would keep their weights
            matrix = layer.get_submodule(name)
            assert isinstance(matrix, nn.Linear)
            layer.set_submodule(name, Fp8Linear(matrix, device, keeps_transpose=keeps))
        for sharing in layer.of_one_input:
            lay_together([base_of(one) for one in sharing])


def lay_together(linears: Sequence[Fp8Linear]) -> tuple[Tensor, Tensor]:
    """Weights [sum of outs, in] and scales of linears with one input, each as one tensor, of which theirs are views.

    `to_fp8` does so in every layer; they do not move again.
    """
    sizes = [one.out_features for one in linears]
    weight, scales = (_joined(ones) for ones in ([one.weight.data for one in linears], [one.scales for one in linears]))
    for one, rows, factors in zip(linears, torch.split(weight, sizes), torch.split(scales, sizes), strict=True):
        one.weight.data, one.scales = rows, factors
    return weight, scales


def base_of(linear: nn.Module) -> Fp8Linear:
    """The linear itself, or the one below its adapter."""
    base = linear if isinstance(linear, Fp8Linear) else linear.base_layer
    assert isinstance(base, Fp8Linear)
    return base


def has_fp8(vla: OpenVLA) -> bool:
    """Whether its decoder was rounded."""
    return any(isinstance(module, Fp8Linear) for module in vla.language_model.modules())


def usable_bytes(device: torch.device) -> int:
    """Of a card's memory what this process may take of it; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    share = torch.cuda.get_per_process_memory_fraction(device)
    return int(share * torch.cuda.get_device_properties(device).total_memory)


def _frozen_linears(layers: nn.Module) -> Iterator[tuple[str, int]]:
    """Names, and numbers of weights."""
    for name, module in layers.named_modules():
        if isinstance(module, nn.Linear) and "lora_" not in name:
            yield name, module.weight.numel()


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Parts [rows, columns] behind each other: where they lie, if they lie so."""
    first, n_columns = parts[0], parts[0].shape[1]
    ends = [one.storage_offset() + one.numel() for one in parts]
    is_one_memory = len({one.untyped_storage().data_ptr() for one in parts}) == 1
    if not is_one_memory or [one.storage_offset() for one in parts[1:]] != ends[:-1]:
        return torch.cat(list(parts))
    return first.as_strided((sum(len(one) for one in parts), n_columns), (n_columns, 1))
