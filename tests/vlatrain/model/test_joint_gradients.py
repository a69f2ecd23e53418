"""Gradients of joint products against those of the plain pieces."""

import pytest
import torch
from interpreted import needs_kernels
from joint_cases import gated_case, narrow_case, turned_case
from torch import Tensor
from vlatrain.model import joint_gradients
from vlatrain.model.turned import turn, turned

TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
OF_KERNELS = pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
"""Triton multiplies no matrices in bf16 as Python."""


def distance(found: Tensor, expected: Tensor) -> float:
    """As a share of what is expected."""
    return float((found.float() - expected).norm() / expected.norm())


@TYPES
def test_operators_say_what_autograd_says(dtype: torch.dtype) -> None:
    for found, expected in [*gated_case("cpu", dtype), *turned_case("cpu", dtype), *narrow_case("cpu", dtype)]:
        assert found.dtype == dtype
        assert distance(found, expected.float()) < torch.finfo(dtype).eps


@needs_kernels
@OF_KERNELS
def test_kernels_say_what_autograd_says(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_gradients, "has_kernels", lambda one: True)
    cases = [*gated_case("cpu", dtype), *gated_case("cpu", dtype, rows=3, width=3000, rank=32)]
    cases += [*turned_case("cpu", dtype), *turned_case("cpu", dtype, heads=40, size=128)]
    cases += [*turned_case("cpu", dtype, heads=5, size=48), *gated_case("cpu", dtype, rows=40, width=144, rank=48)]
    for found, expected in cases:
        assert distance(found, expected) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("operator", ["of_gated", "of_turned", "narrow_beside"])
def test_operators_keep_what_the_compiler_is_promised(operator: str) -> None:
    arguments: dict[str, tuple[Tensor, ...]] = {
        "of_gated": (torch.randn(4, 24), torch.randn(8, 16), torch.randn(4, 32)),
        "of_turned": (*(torch.randn(2, 3, 5, 8) for _ in range(3)), *(torch.randn(1, 1, 5, 8) for _ in range(2))),
        "narrow_beside": (torch.randn(4, 24), torch.randn(8, 16)),
    }
    found = torch.library.opcheck(
        getattr(torch.ops.vlatrain, operator).default,
        arguments[operator],
        test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"),
    )
    assert set(found.values()) == {"SUCCESS"}


def test_of_a_joint_product_heads_are_turned_as_by_themselves() -> None:
    joined, cos, sin = torch.randn(2, 5, 3 * 24), torch.randn(1, 1, 5, 8), torch.randn(1, 1, 5, 8)
    parts = [one.view(2, 5, 3, 8).transpose(1, 2) for one in joined.chunk(3, dim=-1)]
    expected = (turn(parts[0], cos, sin), turn(parts[1], cos, sin), parts[2])
    assert all(torch.equal(one, other) for one, other in zip(turned(joined, cos, sin), expected, strict=True))
