"""Whether a base model was made for what the configuration gives it and asks of it."""

from vlatrain.configuration.checks import needs
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.model.codec import Codec


def check_inputs(config: FinetuneConfig, codec: Codec) -> None:
    """Raises ConfigError where the base model was made for other inputs than the configuration gives it."""
    seen = {"use_wrist_image": codec.pictures > 1, "use_proprio": codec.state_size > 0}
    for name, is_seen in seen.items():
        told = f"the base model {config.vla_path} was made with it {str(is_seen).lower()}; set it so"
        needs(config, name, getattr(config, name) == is_seen, told)
    told = f"the base model {config.vla_path} was made for {codec.chunk}; set it so"
    needs(config, "action_chunk", config.action_chunk == codec.chunk, told)
    is_plain = not ((any(seen.values()) or codec.chunk > 1) and config.method_enabled)
    needs(config, "method_enabled", is_plain, "the method measures models with the published inputs only; set it false")
