"""The dimensions of an OpenVLA, read from and written to config.json in the published form."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlatrain.errors import TrainerError
from vlatrain.model.json_files import read_json

N_ACTIONS = 7
N_STATES = 8
PROPRIO_LOOKS = 4
PROPRIO_WIDTH = 256
"""Of the head that foretells the hand's state in training: looks at the patches, and the width behind them"""
FUSED_GELU_PROJECTOR = "no-align+fused-gelu-mlp"


@dataclass(frozen=True, kw_only=True, slots=True)
class TowerConfig:
    """One vision transformer; widths in channels, sizes in pixels.

    With `stem_widths` patches are embedded by convolutions, each of which halves the picture; empty, as the published
    models have it, by one product.
    """

    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    class_tokens: int = 0
    register_tokens: int = 0
    layer_scale: bool = False
    attention_pool: bool = False
    stem_widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.stem_widths and 2 ** len(self.stem_widths) != self.patch_size:
            raise TrainerError(
                f"stem_widths {list(self.stem_widths)}: {len(self.stem_widths)} times halved, a patch is not one place "
                f"with patch_size {self.patch_size}"
            )
        if self.image_size % self.patch_size:
            raise TrainerError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        if self.width % self.heads:
            raise TrainerError(f"vision width {self.width} is not a multiple of its {self.heads} heads")
        if self.depth < 2:
            raise TrainerError(f"vision depth {self.depth}: features come from the second-to-last block, so at least 2")

    @property
    def n_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """The Llama decoder; the defaults are those that the published config.json leaves out."""

    vocab_size: int = 32064
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    pad_token_id: int = 32000

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.num_attention_heads):
            raise TrainerError(
                f"hidden_size {self.hidden_size} does not give an even head size with {self.num_attention_heads} heads"
            )

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads


DINOV2_L = TowerConfig(
    image_size=224,
    patch_size=14,
    width=1024,
    depth=24,
    heads=16,
    mlp_width=4096,
    class_tokens=1,
    register_tokens=4,
    layer_scale=True,
)
SIGLIP_SO400M = TowerConfig(
    image_size=224, patch_size=14, width=1152, depth=27, heads=16, mlp_width=4304, attention_pool=True
)
TOWERS = {
    "vit_large_patch14_reg4_dinov2.lvd142m": DINOV2_L,
    "vit_so400m_patch14_siglip_224": SIGLIP_SO400M,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenVLAConfig:
    """Everything that decides the shapes and the numerics of an OpenVLA. The defaults are the published 7B.

    `pictures` pass the same towers one by one; a `state_size` above 0 adds one place for the hand's state; `chunk`
    actions are foretold at once, in the order in which they are executed. All as OpenVLA-OFT has them.
    """

    featurizer: TowerConfig = DINOV2_L
    fused_featurizer: TowerConfig = SIGLIP_SO400M
    text: TextConfig = field(default_factory=TextConfig)
    n_action_bins: int = 256
    pad_to_multiple_of: int = 64
    pictures: int = 1
    state_size: int = 0
    chunk: int = 1

    def __post_init__(self) -> None:
        ours, theirs = self.featurizer, self.fused_featurizer
        if (ours.image_size, ours.n_patches) != (theirs.image_size, theirs.n_patches):
            raise TrainerError(
                "the two vision towers must see the same picture as the same number of patches, "
                f"not {ours.image_size} px / {ours.n_patches} and {theirs.image_size} px / {theirs.n_patches}"
            )
        if self.action_vocab_end <= self.n_action_bins:
            raise TrainerError(f"vocab_size {self.vocab_size} has no room for {self.n_action_bins} action tokens")
        if self.pictures not in (1, 2) or self.state_size < 0:
            raise TrainerError(
                f"num_images_in_input {self.pictures}, proprio_dim {self.state_size}: 1 or 2, and from 0"
            )
        if self.chunk < 1:
            raise TrainerError(f"num_actions_chunk {self.chunk}: at least 1")

    @property
    def action_dim(self) -> int:
        return N_ACTIONS

    @property
    def n_patches(self) -> int:
        """Places between BOS and the text: patches of all pictures, and one for the hand's state where it is seen."""
        return self.pictures * self.featurizer.n_patches + (self.state_size > 0)

    @property
    def image_size(self) -> int:
        return self.featurizer.image_size

    @property
    def vocab_size(self) -> int:
        return self.text.vocab_size

    @property
    def action_vocab_end(self) -> int:
        """One past the largest action token id: the rows behind it are padding of the embedding."""
        return self.text.vocab_size - self.pad_to_multiple_of

    @property
    def pad_token_id(self) -> int:
        return self.text.pad_token_id

    @classmethod
    def from_json_file(cls, path: Path) -> "OpenVLAConfig":
        """Reads a config.json, the published one or a tiny one. Raises TrainerError naming the file and the field."""
        raw = read_json(path)
        try:
            return cls.from_dict(raw)
        except (TrainerError, TypeError, ValueError) as error:
            raise TrainerError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "OpenVLAConfig":
        """Understands the published fields; a tiny instance says its towers in "vision_dimensions"."""
        _refuse_other_models(raw)
        featurizer, fused_featurizer = _towers(raw)
        return cls(
            featurizer=featurizer,
            fused_featurizer=fused_featurizer,
            text=_text_config(raw),
            n_action_bins=raw.get("n_action_bins", 256),
            pad_to_multiple_of=raw.get("pad_to_multiple_of", 64),
            pictures=raw.get("num_images_in_input", 1),
            state_size=raw.get("proprio_dim", 0),
            chunk=raw.get("num_actions_chunk", 1),
        )

    def to_dict(self) -> dict[str, Any]:
        """The content of config.json, in the published field names so that the original programs read it too."""
        is_published = (self.featurizer, self.fused_featurizer) == (DINOV2_L, SIGLIP_SO400M)
        sizes: dict[str, Any] = {} if is_published else {"vision_dimensions": self._vision_dimensions()}
        sizes |= {"num_images_in_input": self.pictures} if self.pictures > 1 else {}
        sizes |= {"proprio_dim": self.state_size} if self.state_size else {}
        sizes |= {"num_actions_chunk": self.chunk} if self.chunk > 1 else {}
        return {
            "model_type": "openvla",
            "architectures": ["OpenVLAForActionPrediction"],
            "arch_specifier": FUSED_GELU_PROJECTOR,
            "vision_backbone_id": "dinosiglip-vit-so-224px",
            "llm_backbone_id": "llama2-7b-pure",
            "hf_llm_id": "meta-llama/Llama-2-7b-hf",
            "llm_max_length": 2048,
            "use_fused_vision_backbone": True,
            "timm_model_ids": list(TOWERS),
            "timm_override_act_layers": [None, None],
            "image_sizes": [self.image_size, self.image_size],
            "image_resize_strategy": "resize-naive",
            "output_projector_states": False,
            "pad_token_id": self.pad_token_id,
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "n_action_bins": self.n_action_bins,
            "text_config": {"model_type": "llama", **asdict(self.text)},
            **sizes,
        }

    def _vision_dimensions(self) -> dict[str, Any]:
        return {"featurizer": _written(self.featurizer), "fused_featurizer": _written(self.fused_featurizer)}


def _refuse_other_models(raw: Mapping[str, Any]) -> None:
    if raw.get("model_type") != "openvla":
        raise TrainerError(f"model_type is {raw.get('model_type')!r}, not 'openvla'")
    language_model = str(raw.get("llm_backbone_id", ""))
    if "vicuna" in language_model or raw.get("use_fused_vision_backbone") is False:
        raise TrainerError(
            "this is openvla-v01 or another single-tower model "
            f"(llm_backbone_id {language_model!r}), which is not supported: use openvla-7b"
        )
    if raw.get("arch_specifier", FUSED_GELU_PROJECTOR) != FUSED_GELU_PROJECTOR:
        raise TrainerError(f"arch_specifier {raw['arch_specifier']!r} is not supported, only {FUSED_GELU_PROJECTOR!r}")


def _towers(raw: Mapping[str, Any]) -> tuple[TowerConfig, TowerConfig]:
    if (dimensions := raw.get("vision_dimensions")) is not None:
        return _tower(dimensions["featurizer"]), _tower(dimensions["fused_featurizer"])
    names = raw.get("timm_model_ids", list(TOWERS))
    if list(names) != list(TOWERS):
        raise TrainerError(f"timm_model_ids {names} are not supported, only {list(TOWERS)}")
    if raw.get("image_sizes", [224, 224]) != [224, 224]:
        raise TrainerError(f"image_sizes {raw['image_sizes']} are not supported, only [224, 224]")
    return DINOV2_L, SIGLIP_SO400M


def _tower(dimensions: Mapping[str, Any]) -> TowerConfig:
    stem = dimensions.get("stem_widths", [])
    if not isinstance(stem, list) or not all(isinstance(width, int) and width > 0 for width in stem):
        raise TrainerError(f"stem_widths {stem!r}: a list of numbers of channels")
    return TowerConfig(**{**dimensions, "stem_widths": tuple(stem)})


def _written(tower: TowerConfig) -> dict[str, Any]:
    """Without what it does not have, so that versions that do not know of stems read the others."""
    return {name: value for name, value in asdict(tower).items() if name != "stem_widths" or value}


def _text_config(raw: Mapping[str, Any]) -> TextConfig:
    """The published text_config is a difference against the Llama defaults; unknown fields do not change numerics."""
    text: Mapping[str, Any] = raw.get("text_config", {})
    _refuse_other_decoders(text)
    known = {name: text[name] for name in TextConfig.__dataclass_fields__ if name in text}
    return TextConfig(**{"pad_token_id": raw.get("pad_token_id", 32000), **known})


def _refuse_other_decoders(text: Mapping[str, Any]) -> None:
    heads = text.get("num_attention_heads", TextConfig().num_attention_heads)
    wanted = {
        "model_type": "llama",
        "num_key_value_heads": heads,
        "hidden_act": "silu",
        "rope_scaling": None,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
    }
    for name, value in wanted.items():
        if text.get(name, value) != value:
            raise TrainerError(f"text_config.{name} = {text[name]!r} is not supported, only {value!r}")
