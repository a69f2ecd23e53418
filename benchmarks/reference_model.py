"""OpenVLA put together from public libraries: the yardstick for numbers and for speed. The product uses none of it.

Llama of transformers, towers of timm (or of transformers, where timm cannot be installed), LoRA of PEFT.
"""

import re
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F
from vlatrain.model.config import TOWERS, OpenVLAConfig, TowerConfig
from vlatrain.model.openvla import IGNORED

TRANSFORMERS_NAMES = {
    "featurizer": [
        (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
        (r"^cls_token", "embeddings.cls_token"),
        (r"^reg_token", "embeddings.register_tokens"),
        (r"^pos_embed", "embeddings.position_embeddings"),
        (r"^norm\.", "layernorm."),
        (r"^blocks\.", "encoder.layer."),
        (r"attn\.qkv", "attention.q_proj.joint.qkv"),
        (r"attn\.proj", "attention.o_proj"),
        (r"ls(\d)\.scale_factor", r"layer_scale\1.lambda1"),
    ],
    "fused_featurizer": [
        (r"^patch_embed\.proj", "embeddings.patch_embedding"),
        (r"^pos_embed", "embeddings.position_embedding.weight"),
        (r"^norm\.", "post_layernorm."),
        (r"^blocks\.", "encoder.layers."),
        (r"norm(\d)", r"layer_norm\1"),
        (r"attn\.qkv", "self_attn.k_proj.joint.qkv"),
        (r"attn\.proj", "self_attn.out_proj"),
    ],
}


class TimmTower(nn.Module):
    """As the published class uses it: the whole tower runs, the second-to-last block's patches are taken."""

    def __init__(self, timm_name: str, config: TowerConfig) -> None:
        super().__init__()
        import timm

        sizes = {"embed_dim": config.width, "depth": config.depth, "num_heads": config.heads}
        self.tower = timm.create_model(
            timm_name,
            pretrained=False,
            num_classes=0,
            img_size=config.image_size,
            patch_size=config.patch_size,
            mlp_ratio=config.mlp_width / config.width,
            **sizes,
        )
        self.depth = config.depth

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.tower.get_intermediate_layers(pixels, n={self.depth - 2})[0]
        return features


class TransformersTower(nn.Module):
    """The same tower of transformers, its queries, keys and values from one matrix as LoRA adapts them."""

    def __init__(self, which: str, config: TowerConfig) -> None:
        super().__init__()
        self.tower = _dinov2(config) if which == "featurizer" else _siglip(config)
        for layer in list(self.tower.modules()):
            if all(isinstance(getattr(layer, f"{letter}_proj", None), nn.Linear) for letter in "qkv"):
                joint = _Joint(config.width)
                for index, letter in enumerate("qkv"):
                    setattr(layer, f"{letter}_proj", _Third(joint, index))
        self.depth = config.depth
        self.prefix = config.class_tokens + config.register_tokens

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.tower(pixels, output_hidden_states=True).hidden_states
        features: Tensor = states[self.depth - 1][:, self.prefix :]
        return features


class _Joint(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)


class _Third(nn.Module):
    """Queries, keys or values of the joint product."""

    def __init__(self, joint: _Joint, index: int) -> None:
        super().__init__()
        self.joint, self.index = joint, index

    def forward(self, states: Tensor) -> Tensor:
        third: Tensor = self.joint.qkv(states).chunk(3, dim=-1)[self.index]
        return third


class Reference(nn.Module):
    """The published model: picture behind the first token, cross-entropy over all places, padding masked."""

    def __init__(self, config: OpenVLAConfig, towers: str) -> None:
        super().__init__()
        self.towers = towers
        self.n_patches = config.n_patches
        parts = {"featurizer": config.featurizer, "fused_featurizer": config.fused_featurizer}
        self.vision_backbone = nn.ModuleDict(
            {
                which: TimmTower(name, part) if towers == "timm" else TransformersTower(which, part)
                for name, (which, part) in zip(TOWERS, parts.items(), strict=True)
            }
        )
        vision, width = sum(part.width for part in parts.values()), config.text.hidden_size
        self.projector = nn.ModuleDict(
            {
                "fc1": nn.Linear(vision, 4 * vision),
                "fc2": nn.Linear(4 * vision, width),
                "fc3": nn.Linear(width, width),
            }
        )
        self.language_model = transformers.LlamaForCausalLM(_llama(config))

    def forward(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Any:
        """Loss and logits, as transformers returns them."""
        embedded = self.language_model.get_input_embeddings()(input_ids)
        patches = self._patches(pixel_values)
        shape = patches.shape[:2]
        seen = torch.ones(shape, dtype=attention_mask.dtype, device=patches.device)
        unlabelled = torch.full(shape, IGNORED, dtype=labels.dtype, device=patches.device)
        return self.language_model(
            inputs_embeds=torch.cat([embedded[:, :1], patches, embedded[:, 1:]], dim=1),
            attention_mask=torch.cat([attention_mask[:, :1], seen, attention_mask[:, 1:]], dim=1),
            labels=torch.cat([labels[:, :1], unlabelled, labels[:, 1:]], dim=1),
            use_cache=False,
        )

    def _patches(self, pixels: Tensor) -> Tensor:
        towers = self.vision_backbone.values()
        features = [tower(part) for tower, part in zip(towers, pixels.chunk(2, dim=1), strict=True)]
        projector = self.projector
        projected: Tensor = torch.cat(features, dim=2)
        for name in ("fc1", "fc2"):
            projected = F.gelu(projector[name](projected))
        last: Tensor = projector["fc3"](projected)
        return last

    def name_of(self, ours: str) -> str:
        """What we call `ours`, a parameter or a module, is called here."""
        backbone, _, rest = ours.partition(".")
        if backbone != "vision_backbone":
            return ours
        which, _, inner = rest.partition(".")
        names = [(r"scale_factor", "gamma")] if self.towers == "timm" else TRANSFORMERS_NAMES[which]
        for pattern, replacement in names:
            inner = re.sub(pattern, replacement, inner)
        return f"vision_backbone.{which}.tower.{inner}"

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor]) -> None:
        """Takes the weights of our model; what transformers has no place for (SigLIP's pooling) never mattered."""
        parameters = dict(self.named_parameters())
        for name, tensor in weights.items():
            theirs = self.name_of(name)
            if theirs in parameters:
                parameters[theirs].copy_(self._shaped(name, tensor, parameters[theirs]))
            elif "attn_pool" not in name:
                raise KeyError(f"{name} has no place in the reference: {theirs}")

    def _shaped(self, name: str, tensor: Tensor, wanted: Tensor) -> Tensor:
        if name.endswith("pos_embed") and self.towers == "transformers":
            missing = wanted.shape[-2] - tensor.shape[-2]  # DINOv2's class token has a position of its own there
            tensor = F.pad(tensor, (0, 0, missing, 0))
        return tensor.view(wanted.shape)

    def adapted(self, names: list[str], rank: int, alpha: int) -> PeftModel:
        """With LoRA on the modules that we call `names`."""
        theirs = {self.name_of(name) for name in names}
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=sorted(theirs), init_lora_weights="gaussian")
        return get_peft_model(self, config)


def copy_adapter(ours: dict[str, Tensor], reference: Reference, adapted: PeftModel) -> None:
    """Puts our adapter tensors, named as in files, into the reference's."""
    parameters = dict(adapted.named_parameters())
    with torch.no_grad():
        for theirs, tensor in _adapter_names(ours, reference):
            parameters[theirs].copy_(tensor)
    assert len(ours) == sum(parameter.requires_grad for parameter in parameters.values())


def _adapter_names(ours: dict[str, Tensor], reference: Reference) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in ours.items():
        module, matrix = re.fullmatch(r"base_model\.model\.(.+)\.(lora_[AB])\.weight", name).groups()  # type: ignore[union-attr]
        yield f"base_model.model.{reference.name_of(module)}.{matrix}.default.weight", tensor


def _llama(config: OpenVLAConfig) -> Any:
    text = config.text
    return transformers.LlamaConfig(
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        intermediate_size=text.intermediate_size,
        num_hidden_layers=text.num_hidden_layers,
        num_attention_heads=text.num_attention_heads,
        rms_norm_eps=text.rms_norm_eps,
        pad_token_id=text.pad_token_id,
        tie_word_embeddings=False,
    )


def _dinov2(config: TowerConfig) -> nn.Module:
    return transformers.Dinov2WithRegistersModel(
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


def _siglip(config: TowerConfig) -> nn.Module:
    return transformers.SiglipVisionModel(
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
