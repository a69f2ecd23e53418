"""Adapters as further columns of the frozen weights, against adapters with products of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from made_adapters import nudged
from peft import PeftModel
from torch import Tensor
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.grouping import group
from vlatrain.fast.merged import merged_weight
from vlatrain.fast.pass_graphs import flat_gradients
from vlatrain.fast.shadows import Shadows, adapters_of
from vlatrain.model.fp8 import Fp8Linear, to_fp8
from vlatrain.model.fused_lora import FusedLoraLinear
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA

Make = Callable[[int], OpenVLA]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten_programs() -> Iterator[None]:
    """Other tests compile the same blocks."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def batch(vla: OpenVLA, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = vla.config.image_size
    pixels = torch.randn(2, 6, size, size, generator=generator)
    ids = torch.randint(3, vla.config.action_vocab_end, (2, 14), generator=generator)
    return pixels, ids, torch.where(torch.arange(14) >= 6, ids, IGNORED)


class Learning:
    """A small model with adapters, computing as training does: by shadows, and by groups where told to."""

    def __init__(
        self,
        make: Make,
        *,
        is_grouped: bool,
        has_fp8: bool = False,
        keeps_transpose: bool = True,
        has_joint_gradients: bool = True,
        has_fp8_kernels: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dtype = dtype
        self.vla = make(1).to(dtype)
        self.model: PeftModel = nudged(add_lora(self.vla, rank=8, alpha=12, is_fused=True)).train()
        if has_fp8:
            to_fp8(self.vla, CPU, keeps_transpose=keeps_transpose)
        self.flat = flat_gradients(adapters_of(self.model))
        self.shadows = Shadows(self.model, dtype)
        if is_grouped:
            switches = {"has_joint_gradients": has_joint_gradients, "has_fp8_kernels": has_fp8_kernels}
            group(self.vla, self.shadows, **switches)

    def passed(self, passes: int = 1) -> tuple[float, Tensor]:
        """Sum of losses and all gradients; the adapters change between passes, as an optimizer changes them."""
        total = 0.0
        for number in range(passes):
            self.shadows.follow()
            pixels, ids, labels = batch(self.vla, number)
            loss = self.model(pixels.to(self.dtype), ids, labels).loss()
            loss.backward()
            self.shadows.gather(self.flat)
            total += loss.item()
            with torch.no_grad():
                for one in adapters_of(self.model):
                    one.mul_(1.1)
        return total, self.flat


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("has_joint_gradients", [True, False])
@pytest.mark.parametrize("passes", [1, 3])
def test_loss_and_gradients_are_those_of_products_of_their_own(
    make_tiny_model: Make, passes: int, has_joint_gradients: bool
) -> None:
    loss, gradient = Learning(make_tiny_model, is_grouped=True, has_joint_gradients=has_joint_gradients).passed(passes)
    expected_loss, expected = Learning(make_tiny_model, is_grouped=False).passed(passes)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert distance(gradient, expected) < 2e-6


def test_recomputed_layers_give_the_same_gradients(make_tiny_model: Make) -> None:
    expected_loss, expected = Learning(make_tiny_model, is_grouped=True).passed()
    recomputing = Learning(make_tiny_model, is_grouped=True)
    recomputing.vla.language_model.model.recomputed = True
    loss, gradient = recomputing.passed()
    assert loss == expected_loss
    assert distance(gradient, expected) < 1e-6


def test_in_bf16_groups_are_as_near_to_fp32_as_products_of_their_own(make_tiny_model: Make) -> None:
    _, exact = Learning(make_tiny_model, is_grouped=False).passed()
    errors = {
        is_grouped: distance(Learning(make_tiny_model, is_grouped=is_grouped, dtype=torch.bfloat16).passed()[1], exact)
        for is_grouped in (True, False)
    }
    assert 0 < errors[True] < 1.2 * errors[False]


def test_gate_and_up_are_finished_by_down_unless_in_fp8(make_tiny_model: Make) -> None:
    for has_fp8 in (True, False):
        layers = Learning(make_tiny_model, is_grouped=True, has_fp8=has_fp8).vla.language_model.model.layers
        mlps = [layer.mlp for layer in layers if isinstance(layer, DecoderLayer)]
        assert [one.finished is not None for one in mlps] == [not has_fp8] * (len(layers) - 1) + [False]


def test_mlps_are_one_function_with_kernels_over_fp8_only(make_tiny_model: Make) -> None:
    for has_fp8, has_kernels in ((True, True), (True, False), (False, True)):
        learning = Learning(make_tiny_model, is_grouped=True, has_fp8=has_fp8, has_fp8_kernels=has_kernels)
        layers = learning.vla.language_model.model.layers
        mlps = [layer.mlp for layer in layers if isinstance(layer, DecoderLayer)]
        assert [one.whole is not None for one in mlps] == [has_fp8 and has_kernels] * (len(layers) - 1) + [False]


def test_values_are_copied_out_of_the_joint_product_over_fp8_only(make_tiny_model: Make) -> None:
    for has_fp8 in (True, False):
        layers = Learning(make_tiny_model, is_grouped=True, has_fp8=has_fp8).vla.language_model.model.layers
        attentions = [layer.self_attn for layer in layers if isinstance(layer, DecoderLayer)]
        assert [one.copies_values for one in attentions] == [has_fp8] * (len(layers) - 1) + [False]


@pytest.mark.parametrize("has_fp8_kernels", [False, True])
@pytest.mark.parametrize("keeps_transpose", [True, False])
def test_over_weights_in_fp8_gradients_are_the_same_within_their_rounding(
    make_tiny_model: Make, keeps_transpose: bool, has_fp8_kernels: bool
) -> None:
    how: dict[str, Any] = {"has_fp8": True, "keeps_transpose": keeps_transpose}
    loss, gradient = Learning(make_tiny_model, is_grouped=True, has_fp8_kernels=has_fp8_kernels, **how).passed()
    expected_loss, expected = Learning(make_tiny_model, is_grouped=False, **how).passed()
    _, exact = Learning(make_tiny_model, is_grouped=False).passed()
    assert loss == pytest.approx(expected_loss, rel=1e-6), "the pass forward rounds the same rows"
    assert distance(gradient, exact) < 1.5 * distance(expected, exact)


def test_weights_are_views_of_the_groups_and_keep_their_values(make_tiny_model: Make) -> None:
    grouped, plain = (Learning(make_tiny_model, is_grouped=is_grouped) for is_grouped in (True, False))
    expected = plain.vla.state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in grouped.vla.state_dict().items())
    weights = [one.base_layer.weight for one in queries_keys_values(grouped.vla)]
    assert len({one.untyped_storage().data_ptr() for one in weights if isinstance(one, Tensor)}) == 1


def queries_keys_values(vla: OpenVLA) -> list[FusedLoraLinear]:
    """Of the first layer."""
    layer = vla.language_model.model.layers[0]
    assert isinstance(layer, DecoderLayer)
    return [one for one in layer.self_attn.children() if isinstance(one, FusedLoraLinear)][:3]


@pytest.mark.parametrize("has_fp8", [True, False])
def test_outside_training_and_merged_it_answers_as_before(make_tiny_model: Make, has_fp8: bool) -> None:
    grouped, plain = (Learning(make_tiny_model, is_grouped=is_grouped, has_fp8=has_fp8) for is_grouped in (True, False))
    question = (*batch(plain.vla, 5)[:2], torch.tensor([14, 11]))
    assert torch.equal(grouped.vla.predict(*question), plain.vla.predict(*question))
    pairs = zip(linears(grouped.vla), linears(plain.vla), strict=True)
    assert all(
        torch.equal(merged_weight(one, torch.float32), merged_weight(other, torch.float32)) for one, other in pairs
    )


def linears(vla: OpenVLA) -> list[FusedLoraLinear]:
    return [module for module in vla.modules() if isinstance(module, FusedLoraLinear)]


def test_fp8_weights_lie_once_in_memory(make_tiny_model: Make) -> None:
    vla = Learning(make_tiny_model, is_grouped=True, has_fp8=True).vla
    bases = [one.base_layer for one in queries_keys_values(vla)]
    assert all(isinstance(one, Fp8Linear) for one in bases)
    for name in ("weight", "scales", "transposed"):
        assert len({getattr(one, name).untyped_storage().data_ptr() for one in bases}) == 1


def test_the_last_layer_is_left_to_itself(make_tiny_model: Make) -> None:
    layers = Learning(make_tiny_model, is_grouped=True).vla.language_model.model.layers
    attentions = [layer.self_attn for layer in layers if isinstance(layer, DecoderLayer)]
    assert [one.grouped is None for one in attentions] == [False] * (len(layers) - 1) + [True]


@pytest.mark.slow
@pytest.mark.parametrize(
    "base", [{}, {"has_fp8": True}, {"has_fp8": True, "has_fp8_kernels": True}], ids=["plain", "fp8", "fp8, kernels"]
)
def test_compiled_groups_give_the_same_pass_without_a_break(make_tiny_model: Make, base: dict[str, Any]) -> None:
    expected_loss, expected = Learning(make_tiny_model, is_grouped=True, **base).passed(2)
    compiled = Learning(make_tiny_model, is_grouped=True, **base)
    compile_blocks(compiled.vla, backend="aot_eager", fullgraph=True)
    torch._dynamo.utils.counters.clear()
    loss, gradient = compiled.passed(2)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert distance(gradient, expected) < 2e-6
    kinds = 3 + 1  # all layers of the decoder but the last are of one kind; of the towers' blocks the first differ
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= kinds + 1
