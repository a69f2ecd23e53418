"""Our Triton kernels on a GPU, each against torch."""

import pytest
import torch
from joint_cases import gated_case, narrow_case, turned_case
from kernel_cases import attended_case, begun_early_case, beside_case, product_case
from rounding_cases import cases as rounding_cases
from torch import Tensor


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_kernels_between_fp8_products_say_what_autograd_says_and_round_as_everywhere(dtype: torch.dtype) -> None:
    for case in [*rounding_cases("cuda", dtype), *rounding_cases("cuda", dtype, rows=290, width=11008, rank=32)]:
        assert case.distance < max(2 * torch.finfo(dtype).eps, 2e-6)
        assert case.worst_rounding < 4e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_kernels_of_joint_gradients_say_what_autograd_says(dtype: torch.dtype) -> None:
    cases = [*gated_case("cuda", dtype, rows=290, width=11008, rank=32), *gated_case("cuda", dtype)]
    cases += [*turned_case("cuda", dtype, places=290, heads=32, size=128), *turned_case("cuda", dtype, size=48)]
    for found, expected in [*cases, *narrow_case("cuda", dtype, rows=290, width=11008, rank=32)]:
        assert distance(found.float(), expected.float()) < max(2 * torch.finfo(dtype).eps, 2e-6)


def test_kernels_of_one_token_say_what_torch_says() -> None:
    pairs = [*product_case("cuda", torch.bfloat16), *product_case("cuda", torch.bfloat16, 11008, 4096)]
    for found, expected in [*pairs, *attended_case("cuda", torch.bfloat16, heads=32, size=128)]:
        assert distance(found.float(), expected.float()) < 0.02


def test_kernels_of_one_token_over_weights_in_fp8_say_what_torch_says() -> None:
    pairs = [*beside_case("cuda", torch.bfloat16), *beside_case("cuda", torch.bfloat16, 4096, 4096, 32)]
    for found, expected in [*pairs, *beside_case("cuda", torch.bfloat16, 11008, 4096, 32)]:
        assert distance(found.float(), expected.float()) < 0.02


@pytest.mark.parametrize("splits", [1, 2, 4, 8, 16])
def test_attention_shared_out_among_programs_says_what_torch_says(splits: int) -> None:
    for at in [(287,), (1,), (300, 17, 0, 64)] * 20:
        for found, expected in attended_case("cuda", torch.bfloat16, heads=32, size=128, splits=splits, at=at):
            assert distance(found.float(), expected.float()) < 0.02


@pytest.mark.parametrize("rank", [None, 32], ids=["bf16", "fp8, adapters beside"])
def test_kernels_that_begin_early_say_what_those_say_that_wait(rank: int | None) -> None:
    for _ in range(10):
        for found, expected in begun_early_case("cuda", torch.bfloat16, heads=16, size=128, layers=30, rank=rank):
            assert torch.equal(found, expected)
