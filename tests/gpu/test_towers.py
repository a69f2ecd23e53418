"""The two towers at full size against timm, and the list of published tensors against what is installed here."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from tensor_list import LIST, published_tensors
from torch import Tensor
from vlatrain.model.config import DINOV2_L, SIGLIP_SO400M, TOWERS
from vlatrain.model.vit import VisionTransformer

timm = pytest.importorskip("timm")
BATCH = 4


def randomised(name: str) -> VisionTransformer:
    """Numbers of the size that trained weights have, so that the towers' answers are neither 0 nor infinite."""
    with torch.device("cuda"):
        ours = VisionTransformer(TOWERS[name])
        generator = torch.Generator("cuda").manual_seed(11)
        with torch.no_grad():
            for parameter in ours.parameters():
                scale = 0.5 if parameter.dim() == 1 else parameter[0].numel() ** -0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return ours


def of_timm(name: str, ours: VisionTransformer) -> torch.nn.Module:
    with torch.device("cuda"):
        theirs: torch.nn.Module = timm.create_model(name, pretrained=False, num_classes=0, img_size=224)
    weights = {key.replace(".scale_factor", ".gamma"): tensor for key, tensor in ours.state_dict().items()}
    theirs.load_state_dict(weights, strict=True)
    return theirs.eval()


def second_to_last(theirs: Any, pixels: Tensor, depth: int) -> Tensor:
    features: Tensor = theirs.get_intermediate_layers(pixels, n={depth - 2})[0]
    return features


def relative(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).norm() / other.double().norm())


@pytest.mark.parametrize("name", TOWERS)
@torch.inference_mode()
def test_a_tower_of_full_size_is_that_of_timm(name: str) -> None:
    ours = randomised(name)
    theirs = of_timm(name, ours)
    pixels = torch.randn(BATCH, 3, 224, 224, device="cuda", generator=torch.Generator("cuda").manual_seed(2))
    expected = second_to_last(theirs, pixels, TOWERS[name].depth)
    assert expected.shape == (BATCH, 256, TOWERS[name].width)
    assert relative(ours(pixels), expected) < 1e-5
    exact = second_to_last(theirs.double(), pixels.double(), TOWERS[name].depth)
    low = relative(ours.bfloat16()(pixels.bfloat16()), exact)
    assert low < 2 * relative(second_to_last(theirs.bfloat16(), pixels.bfloat16(), TOWERS[name].depth), exact)


def test_the_towers_of_the_7b_are_these_two() -> None:
    assert list(TOWERS.values()) == [DINOV2_L, SIGLIP_SO400M]


def test_the_committed_list_is_what_timm_and_transformers_say() -> None:
    pytest.importorskip("transformers")
    made = runpy.run_path(str(Path(LIST).with_name("make_openvla_7b_tensors.py")))
    assert made["whole"]() == {name: shape for name, (_, shape) in published_tensors().items()}
