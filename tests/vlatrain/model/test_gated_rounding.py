"""What lies between the products of an MLP over weights in fp8 against the plain pieces."""

import pytest
import torch
from interpreted import needs_kernels
from rounding_cases import cases
from torch import Tensor
from vlatrain.model import gated_rounding
from vlatrain.model.fp8 import FP8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operators_say_what_autograd_says_and_round_as_everywhere(dtype: torch.dtype) -> None:
    for case in cases("cpu", dtype):
        assert (case.found.dtype, case.rows.dtype) == (dtype, FP8)
        assert case.distance < torch.finfo(dtype).eps
        assert case.worst_rounding == 0


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("sizes", [(6, 48, 8), (3, 3000, 32), (70, 144, 48)])
def test_kernels_say_what_autograd_says_and_round_as_everywhere(
    dtype: torch.dtype, sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triton as Python multiplies nothing in bf16, and loses carries where it rounds to fp8: that is left to torch."""
    from vlatrain.model import gated_kernels

    monkeypatch.setattr(gated_rounding, "has_kernels", lambda one: True)
    monkeypatch.setattr(gated_kernels, "FP8", torch.float32)
    for case in cases("cpu", dtype, *sizes):
        assert case.distance < 4 * torch.finfo(dtype).eps
        assert case.worst_rounding < 4e-6


@needs_kernels
def test_rows_of_nothing_but_zeros_are_rounded_to_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    from vlatrain.model import gated_kernels

    monkeypatch.setattr(gated_kernels, "FP8", torch.float32)
    rows, scales = gated_kernels.rounded(torch.zeros(2, 16), torch.zeros(2, 3))
    assert torch.equal(rows, torch.zeros(2, 16))
    assert bool((scales > 0).all())


@pytest.mark.parametrize("operator", ["gated_rounded", "of_gated_rounded"])
def test_operators_keep_what_the_compiler_is_promised(operator: str) -> None:
    forward = (torch.randn(4, 32), torch.randn(4, 16), torch.randn(32, 16))
    arguments: dict[str, tuple[Tensor, ...]] = {
        "gated_rounded": forward,
        "of_gated_rounded": (torch.randn(4, 16), torch.randn(4, 8), torch.randn(8, 16), *forward, torch.rand(32, 1)),
    }
    found = torch.library.opcheck(
        getattr(torch.ops.vlatrain, operator).default,
        arguments[operator],
        test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"),
    )
    assert set(found.values()) == {"SUCCESS"}
