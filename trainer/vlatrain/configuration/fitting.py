"""Whether a base model was made for what the configuration gives it and asks of it. Loads no torch."""

from pathlib import Path

from vlatrain.configuration.checks import needs
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.errors import ConfigError, TrainerError
from vlatrain.model.config import OpenVLAConfig


def check_inputs(config: FinetuneConfig, base: Path) -> None:
    """Raises ConfigError where the model in `base` is not supported, or was made for other inputs than it gets."""
    flag = "resume_full_model_dir" if config.resume_full_model_dir else "vla_path"
    try:
        model = OpenVLAConfig.from_json_file(base / "config.json")
    except TrainerError as error:
        raise ConfigError(f"--{flag} {getattr(config, flag)}: {error}", flag) from None
    named = f"the base model {getattr(config, flag)}"
    seen = {"use_wrist_image": model.pictures > 1, "use_proprio": model.state_size > 0}
    for name, is_seen in seen.items():
        told = f"{named} was made with it {str(is_seen).lower()}; set it so"
        needs(config, name, getattr(config, name) == is_seen, told)
    told = f"{named} was made for {model.chunk}; set it so"
    needs(config, "action_chunk", config.action_chunk == model.chunk, told)
    is_plain = not ((any(seen.values()) or model.chunk > 1) and config.method_enabled)
    needs(config, "method_enabled", is_plain, "the method measures models with the published inputs only; set it false")
