"""The 7B itself, with random weights: it sees, it learns, and its weights go straight to the device."""

import gc
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from gpu_models import a_batch, random_7b
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import load_base, save_base
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.lora import add_lora
from vlatrain.model.self_check import vision_self_check

PROMPT = torch.tensor([1, 512, 9000, 31000, 29871])


def test_the_7b_sees_the_picture_and_learns_in_one_step() -> None:
    model = random_7b()
    assert sum(parameter.numel() for parameter in model.parameters()) == 7_541_237_184
    vision_self_check(model, PROMPT)
    adapted = add_lora(model, rank=32)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    losses = []
    for _ in range(4):
        with torch.autocast("cuda", torch.bfloat16):
            loss = adapted(*a_batch(model.config, 4)).loss()
        loss.backward()
        assert all(parameter.grad is not None for parameter in trained)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1


def test_a_blind_7b_is_refused() -> None:
    config = OpenVLAConfig()
    model = random_7b(replace(config, text=replace(config.text, num_hidden_layers=2)))
    with torch.no_grad():
        model.projector.fc3.weight.zero_()
    with pytest.raises(TrainerError, match="blind"):
        vision_self_check(model, PROMPT)


def test_weights_go_to_the_device_without_a_copy_in_memory(tmp_path: Path) -> None:
    config = OpenVLAConfig()
    model = random_7b(replace(config, text=replace(config.text, num_hidden_layers=4)))
    save_base(model, tmp_path, shard_bytes=10**9)
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    expected = {name: tensor.sum(dtype=torch.float64).item() for name, tensor in model.state_dict().items()}
    del model
    gc.collect()
    before, on_device = anonymous_bytes(), torch.cuda.memory_allocated()
    loaded = load_base(tmp_path, "cuda", torch.bfloat16)
    assert anonymous_bytes() - before < size / 4
    assert torch.cuda.memory_allocated() - on_device < 1.1 * size
    assert {tensor.device.type for tensor in loaded.state_dict().values()} == {"cuda"}
    assert {name: tensor.sum(dtype=torch.float64).item() for name, tensor in loaded.state_dict().items()} == expected


def anonymous_bytes() -> int:
    """Memory of this process that is no mapped file."""
    status = Path(f"/proc/{psutil.Process().pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))
