"""The base model in 4 bits; what needs bitsandbytes is skipped without it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.preflight import check_bitsandbytes
from vlatrain.errors import ConfigError
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.lora import adapter_tensors, add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA
from vlatrain.model.quantising import quantise
from vlatrain.train.learner import check_trains_in_4_bits

CPU = torch.device("cpu")


@pytest.fixture
def bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes")


@pytest.fixture
def wide(tiny_config: OpenVLAConfig) -> OpenVLA:
    """Matrices of whole blocks of 64 values."""
    text = replace(tiny_config.text, hidden_size=64, intermediate_size=128)
    model = OpenVLA(replace(tiny_config, text=text))
    initialise(model, 1)
    return model


def test_without_bitsandbytes_it_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlatrain.configuration.preflight.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--use_quantization true: bitsandbytes is not installed: pip install"):
        check_bitsandbytes(FinetuneConfig(use_quantization=True))
    check_bitsandbytes(FinetuneConfig())


def test_where_it_cannot_be_imported_that_is_told(wide: OpenVLA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(ConfigError, match="needs bitsandbytes"):
        quantise(wide, CPU, torch.float32)


@pytest.mark.usefixtures("bitsandbytes")
def test_only_the_decoder_s_matrices_change_and_little(wide: OpenVLA) -> None:
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    inputs = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    matrix = "language_model.model.layers.0.mlp.up_proj"
    exact = inputs @ before[f"{matrix}.weight"].T
    quantise(wide, CPU, torch.float32)
    after = wide.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(after[name].to(tensor.dtype), tensor)}
    assert changed == {name for name in before if "layers." in name and "_proj.weight" in name}
    error = (wide.get_submodule(matrix)(inputs) - exact).norm() / exact.norm()
    assert 0.01 < error < 0.2
    packed = wide.get_submodule(matrix).weight
    assert packed.nbytes == before[f"{matrix}.weight"].numel() // 2


@pytest.mark.usefixtures("bitsandbytes")
def test_it_learns_through_adapters_like_any_other(wide: OpenVLA) -> None:
    quantise(wide, CPU, torch.float32)
    adapted = add_lora(wide, rank=4).train()
    inputs = batch(wide)
    trained = {name: one for name, one in adapted.named_parameters() if one.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2)
    losses = []
    for _ in range(10):
        loss = adapted(*inputs).loss()
        loss.backward()
        assert all(parameter.grad is not None for parameter in trained.values())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    with torch.device("meta"):
        plain = adapter_tensors(add_lora(OpenVLA(wide.config), rank=4))
    assert {name: one.shape for name, one in adapter_tensors(adapted).items()} == {
        name: one.shape for name, one in plain.items()
    }


def batch(model: OpenVLA) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    size = model.config.image_size
    ids = torch.randint(3, model.config.action_vocab_end, (2, 14), generator=generator)
    return torch.randn(2, 6, size, size, generator=generator), ids, torch.where(torch.arange(14) < 6, IGNORED, ids)


def test_it_is_not_trained_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="trains on GPUs only"):
        check_trains_in_4_bits(CPU)


def test_mapped_weights_are_those_of_the_file(tiny_folder: Path, make_tiny_model: Callable[[int], OpenVLA]) -> None:
    mapped = load_base(tiny_folder, is_mapped=True).state_dict()
    assert all(torch.equal(mapped[name], tensor) for name, tensor in make_tiny_model(1).state_dict().items())
