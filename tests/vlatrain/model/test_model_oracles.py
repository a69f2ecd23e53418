"""The decoder and the towers against the independent implementations of transformers, in fp32."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from vlatrain.model.config import TextConfig
from vlatrain.model.llama import LlamaForCausalLM
from vlatrain.model.openvla import OpenVLA, OpenVLAConfig
from vlatrain.model.vit import VisionTransformer

transformers = pytest.importorskip("transformers")


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


def randomised(module: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


OTHERS: list[dict[str, Any]] = [{}, {"rms_norm_eps": 1e-2, "rope_theta": 500.0}]


@pytest.mark.parametrize(
    "text",
    [
        TextConfig(
            vocab_size=80, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, **other
        )
        for other in OTHERS
    ],
    ids=["published numerics", "other epsilon and rotation"],
)
def test_the_decoder_is_llama(text: TextConfig) -> None:
    ours = LlamaForCausalLM(text)
    randomised(ours)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=text.vocab_size,
            hidden_size=text.hidden_size,
            intermediate_size=text.intermediate_size,
            num_hidden_layers=text.num_hidden_layers,
            num_attention_heads=text.num_attention_heads,
            rms_norm_eps=text.rms_norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": text.rope_theta},
            tie_word_embeddings=False,
        )
    )
    theirs.load_state_dict(ours.state_dict(), strict=True)
    ids = torch.randint(0, text.vocab_size, (2, 50), generator=torch.Generator().manual_seed(1))
    assert_close(ours.logits(ours.model(ours.model.embed_tokens(ids))), theirs.eval()(ids).logits)


def translated(tower: VisionTransformer, names: list[tuple[str, str]]) -> dict[str, Tensor]:
    """Our tower's weights under transformers' names: a joint qkv is taken apart, then expressions are replaced."""
    out = {}
    for name, tensor in tower.state_dict().items():
        parts = zip("qkv", tensor.chunk(3), strict=True) if ".qkv." in name else [("", tensor)]
        for letter, part in parts:
            theirs = name.replace(".qkv.", f".{letter}_proj.")
            for ours, replacement in names:
                theirs = re.sub(ours, replacement, theirs)
            out[theirs] = part
    return out


def second_to_last(model: Any, picture: Tensor, depth: int) -> Tensor:
    states: tuple[Tensor, ...] = model.eval()(picture, output_hidden_states=True).hidden_states
    return states[depth - 1]


def a_picture(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(2))


def test_the_first_tower_is_dinov2_with_registers(tiny_config: OpenVLAConfig) -> None:
    config = tiny_config.featurizer
    ours = VisionTransformer(config)
    randomised(ours)
    theirs = transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(
            hidden_size=config.width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            mlp_ratio=config.mlp_width // config.width,
            image_size=config.image_size,
            patch_size=config.patch_size,
            num_register_tokens=config.register_tokens,
            layer_norm_eps=1e-6,
        )
    )
    names = [
        (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
        (r"^cls_token", "embeddings.cls_token"),
        (r"^reg_token", "embeddings.register_tokens"),
        (r"^pos_embed", "embeddings.position_embeddings"),
        (r"^norm\.", "layernorm."),
        (r"^blocks\.", "encoder.layer."),
        (r"attn\.proj", "attention.o_proj"),
        (r"attn\.", "attention."),
        (r"ls(\d)\.scale_factor", r"layer_scale\1.lambda1"),
    ]
    weights = translated(ours, names)
    positions = weights["embeddings.position_embeddings"]
    weights["embeddings.position_embeddings"] = torch.cat([torch.zeros(1, 1, config.width), positions], dim=1)
    weights["embeddings.mask_token"] = torch.zeros(1, config.width)
    theirs.load_state_dict(weights, strict=True)
    picture = a_picture(config.image_size)
    prefix = config.class_tokens + config.register_tokens
    assert_close(ours(picture), second_to_last(theirs, picture, config.depth)[:, prefix:])


def test_the_second_tower_is_siglip(tiny_config: OpenVLAConfig) -> None:
    config = replace(tiny_config.fused_featurizer, attention_pool=False)
    ours = VisionTransformer(config)
    randomised(ours)
    theirs = transformers.SiglipVisionModel(
        transformers.SiglipVisionConfig(
            hidden_size=config.width,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            image_size=config.image_size,
            patch_size=config.patch_size,
            hidden_act="gelu",
            layer_norm_eps=1e-6,
            vision_use_head=False,
        )
    )
    names = [
        (r"^patch_embed\.proj", "embeddings.patch_embedding"),
        (r"^pos_embed", "embeddings.position_embedding.weight"),
        (r"^norm\.", "post_layernorm."),
        (r"^blocks\.", "encoder.layers."),
        (r"norm(\d)", r"layer_norm\1"),
        (r"attn\.proj", "self_attn.out_proj"),
        (r"(?<!self_)attn\.", "self_attn."),
    ]
    weights = translated(ours, names)
    weights["embeddings.position_embedding.weight"] = weights["embeddings.position_embedding.weight"][0]
    theirs.load_state_dict(weights, strict=True)
    picture = a_picture(config.image_size)
    assert_close(ours(picture), second_to_last(theirs, picture, config.depth))


def test_features_of_both_towers_meet_on_channels_and_patches_follow_the_start_token(tiny_model: OpenVLA) -> None:
    config = tiny_model.config
    picture = torch.randn(1, 6, config.image_size, config.image_size, generator=torch.Generator().manual_seed(5))
    ids = torch.tensor([[1, 7, 8]])
    first = tiny_model.vision_backbone.featurizer(picture[:, :3])
    second = tiny_model.vision_backbone.fused_featurizer(picture[:, 3:])
    embedded = tiny_model.embed(picture, ids)
    text = tiny_model.language_model.model.embed_tokens(ids)
    torch.testing.assert_close(embedded[:, 0], text[:, 0])
    torch.testing.assert_close(embedded[:, 1:-2], tiny_model.projector(torch.cat([first, second], dim=-1)))
    torch.testing.assert_close(embedded[:, -2:], text[:, 1:])
