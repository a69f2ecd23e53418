"""Adapters in the arithmetic of their input, against PEFT's own layers."""

from collections.abc import Callable

import pytest
import torch
from made_adapters import nudged
from torch import Tensor
from vlatrain.fast.compiling import compile_blocks
from vlatrain.model.arithmetic import arithmetic
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA

CPU = torch.device("cpu")
Make = Callable[[int], OpenVLA]


def batch(vla: OpenVLA, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    size = vla.config.image_size
    pixels = torch.randn(2, 6, size, size, generator=generator).to(dtype)
    ids = torch.randint(3, vla.config.action_vocab_end, (2, 14), generator=generator)
    return pixels, ids, torch.where(torch.arange(14) >= 6, ids, IGNORED)


def passed(vla: OpenVLA, dtype: torch.dtype = torch.float32, *, is_fused: bool) -> tuple[float, Tensor]:
    """Loss and all gradients of a pass with an adapter that changes something."""
    vla.to(dtype)
    adapted = nudged(add_lora(vla, rank=4, is_fused=is_fused)).train()
    with arithmetic(vla, CPU, dtype):
        loss = adapted(*batch(vla, dtype)).loss()
    loss.backward()
    return loss.item(), torch.cat([one.grad.flatten() for one in adapted.parameters() if one.grad is not None])


def test_loss_and_gradients_are_those_of_peft(make_tiny_model: Make) -> None:
    (loss, gradient), (expected_loss, expected) = (
        passed(make_tiny_model(1), is_fused=is_fused) for is_fused in (True, False)
    )
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert (gradient - expected).norm() / expected.norm() < 1e-6


def test_in_bf16_it_is_as_near_to_fp32_as_autocast_is(make_tiny_model: Make) -> None:
    _, exact = passed(make_tiny_model(1), is_fused=False)
    errors = {
        is_fused: (passed(make_tiny_model(1), torch.bfloat16, is_fused=is_fused)[1] - exact).norm() / exact.norm()
        for is_fused in (True, False)
    }
    assert errors[True] < 1.5 * errors[False]
    assert errors[True] > 0


def test_adapters_stay_in_fp32(make_tiny_model: Make) -> None:
    vla = make_tiny_model(1).to(torch.bfloat16)
    adapted = add_lora(vla, rank=4, is_fused=True)
    assert {one.dtype for one in adapted.parameters() if one.requires_grad} == {torch.float32}


def test_compiled_blocks_give_the_same_pass_without_a_break(make_tiny_model: Make) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    expected_loss, expected = passed(make_tiny_model(1), is_fused=True)
    vla = make_tiny_model(1)
    compile_blocks(vla, backend="aot_eager", fullgraph=True)
    loss, gradient = passed(vla, is_fused=True)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert (gradient - expected).norm() / expected.norm() < 1e-6
    kinds = 3 + 2  # the first block of a tower, whose input learns nothing, is of a kind of its own
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == kinds
