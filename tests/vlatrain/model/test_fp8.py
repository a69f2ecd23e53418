"""The decoder's weights in 8 bits; products on the CPU are emulated number by number."""

from collections.abc import Callable

import pytest
import torch
from vlatrain.errors import ConfigError
from vlatrain.model.fp8 import FP8, LARGEST, Fp8Linear, base_of, check_has_fp8, lay_together, rounded, to_fp8
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

CPU = torch.device("cpu")
ROUNDING = 2.0**-4
"""Half a unit in the last place of e4m3, which has three bits behind the point."""


def values(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rows_are_brought_back_within_the_rounding() -> None:
    rows = values(5, 64) * torch.tensor([1e-6, 1.0, 1e3, 1.0, 1e-2])[:, None]
    numbers, scales = rounded(rows)
    assert numbers.dtype is FP8
    error = (numbers.float() * scales - rows).abs()
    assert (error <= ROUNDING * rows.abs() + 1e-3 * scales).all()
    torch.testing.assert_close(numbers.float().abs().amax(1), torch.full((5,), LARGEST))


def test_a_row_of_zeros_stays_one() -> None:
    numbers, scales = rounded(torch.zeros(2, 8))
    assert not numbers.float().any()
    assert torch.isfinite(scales).all()


@pytest.mark.parametrize("keeps_transpose", [True, False])
def test_product_and_gradient_are_near_the_exact_ones(keeps_transpose: bool) -> None:
    exact = torch.nn.Linear(96, 48, bias=False)
    made = Fp8Linear(exact, CPU, keeps_transpose=keeps_transpose)
    inputs, gradient = values(2, 7, 96).requires_grad_(), values(2, 7, 48, seed=2)
    made(inputs).backward(gradient)
    found, inputs.grad = inputs.grad, None
    exact(inputs).backward(gradient)
    assert found is not None
    assert inputs.grad is not None
    assert 0 < (made(inputs) - exact(inputs)).norm() / exact(inputs).norm() < 0.05
    assert 0 < (found - inputs.grad).norm() / inputs.grad.norm() < 0.05


def test_kept_or_made_transposes_give_the_same_gradient() -> None:
    exact = torch.nn.Linear(96, 48, bias=False)
    gradients = []
    for keeps in (True, False):
        inputs = values(7, 96).requires_grad_()
        Fp8Linear(exact, CPU, keeps_transpose=keeps)(inputs).backward(values(7, 48, seed=2))
        assert inputs.grad is not None
        gradients.append(inputs.grad)
    assert torch.equal(gradients[0], gradients[1])


@pytest.mark.parametrize("is_fused", [True, False])
def test_all_matrices_of_the_decoder_are_replaced_and_no_adapter(
    make_tiny_model: Callable[[int], OpenVLA], is_fused: bool
) -> None:
    vla = make_tiny_model(1)
    adapted = add_lora(vla, rank=4, is_fused=is_fused)
    before = [name for name, one in adapted.named_parameters() if one.requires_grad]
    to_fp8(vla, CPU)
    replaced = [name for name, one in vla.named_modules() if isinstance(one, Fp8Linear)]
    assert len(replaced) == 7 * len(vla.language_model.model.layers)
    assert all(name.endswith(".base_layer") for name in replaced)
    assert [name for name, one in adapted.named_parameters() if one.requires_grad] == before


def test_a_cpu_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="--base_precision fp8: the CPU has no fp8 products; take bf16 or nf4"):
        check_has_fp8(CPU)


def test_weights_of_linears_with_one_input_lie_behind_each_other_and_stay_there(
    make_tiny_model: Callable[[int], OpenVLA],
) -> None:
    vla = make_tiny_model(1)
    layer = vla.language_model.model.layers[0]
    assert isinstance(layer, DecoderLayer)
    before = layer.self_attn.v_proj.weight.detach().clone()
    to_fp8(vla, CPU)
    for linears in layer.of_one_input:
        bases = [base_of(one) for one in linears]
        places = [one.weight.data_ptr() for one in bases]
        weight, scales = lay_together(bases)
        assert [one.weight.data_ptr() for one in bases] == places
        assert weight.data_ptr() == places[0]
        assert torch.equal(weight.float(), torch.cat([one.weight for one in bases]).float())
        assert torch.equal(scales, torch.cat([one.scales for one in bases]))
    found = base_of(layer.self_attn.v_proj)
    assert torch.equal((found.weight.float() * found.scales), rounded(before)[0].float() * rounded(before)[1])
