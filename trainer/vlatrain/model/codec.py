"""Between the world and one base model: its tokenizer, its action tokens, its pixel constants."""

from dataclasses import dataclass
from pathlib import Path

from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.images import PixelConstants
from vlatrain.model.prompt import PromptTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """What turns instructions, actions and pictures into the model's numbers."""

    prompts: PromptTokenizer
    actions: ActionTokenizer
    constants: PixelConstants
    image_size: int
    pictures: int = 1
    state_size: int = 0
    chunk: int = 1

    @classmethod
    def from_folder(cls, base: Path) -> "Codec":
        """Raises TrainerError for a folder without a tokenizer or a configuration."""
        model = OpenVLAConfig.from_json_file(base / "config.json")
        return cls(
            prompts=PromptTokenizer(base),
            actions=ActionTokenizer(model.n_action_bins, model.action_vocab_end),
            constants=PixelConstants.from_folder(base),
            image_size=model.image_size,
            pictures=model.pictures,
            state_size=model.state_size,
            chunk=model.chunk,
        )
