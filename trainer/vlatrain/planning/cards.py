"""The GPUs that people train on: memory, speed, and which one this machine has."""

from dataclasses import dataclass
from pathlib import Path

from vlatrain.errors import ConfigError

MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """`tflops` are dense matrix products in 16 bits with fp32 sums, as the maker states them."""

    name: str
    memory_bytes: int
    tflops: float
    has_bf16: bool = True
    has_fp8: bool = False


CARDS = {
    card.name: card
    for card in (
        Card(name="V100-16GB", memory_bytes=16_160 * MIB, tflops=125, has_bf16=False),
        Card(name="V100", memory_bytes=32_510 * MIB, tflops=125, has_bf16=False),
        Card(name="T4", memory_bytes=15_360 * MIB, tflops=65, has_bf16=False),
        Card(name="3090", memory_bytes=24_576 * MIB, tflops=71),
        Card(name="4090", memory_bytes=24_564 * MIB, tflops=165, has_fp8=True),
        Card(name="5090", memory_bytes=32_607 * MIB, tflops=210, has_fp8=True),
        Card(name="A10", memory_bytes=23_028 * MIB, tflops=125),
        Card(name="L4", memory_bytes=23_034 * MIB, tflops=121, has_fp8=True),
        Card(name="A6000", memory_bytes=49_140 * MIB, tflops=155),
        Card(name="L40S", memory_bytes=46_068 * MIB, tflops=362, has_fp8=True),
        Card(name="A100-40GB", memory_bytes=40_960 * MIB, tflops=312),
        Card(name="A100", memory_bytes=81_920 * MIB, tflops=312),
        Card(name="H100", memory_bytes=81_559 * MIB, tflops=989, has_fp8=True),
        Card(name="H200", memory_bytes=143_771 * MIB, tflops=989, has_fp8=True),
        Card(name="B200", memory_bytes=183_359 * MIB, tflops=2250, has_fp8=True),
    )
}
MODEL_FILES = "proc/driver/nvidia/gpus/*/information"


def card_named(text: str) -> Card:
    """The card that a name such as "4090", "a100-40gb" or "NVIDIA H200" means. Raises ConfigError."""
    card = _meant(text)
    if card is None:
        raise ConfigError(f"--card {text}: unknown; there are {', '.join(CARDS)}")
    return card


def card_here(root: Path = Path("/")) -> Card | None:
    """The first GPU of this machine as its driver calls it; None without one, or for one that is not known."""
    for path in sorted(root.glob(MODEL_FILES)):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return _meant(line.partition(":")[2])
    return None


def card_of_profile(profile: str | None) -> Card | None:
    """The card in a profile's name, such as 4090_1gpu."""
    return _meant(profile.partition("_")[0]) if profile else None


def _meant(text: str) -> Card | None:
    """The known card with the longest name whose parts are all in `text`."""
    wanted = text.upper()
    fitting = [card for name, card in CARDS.items() if all(part in wanted for part in name.upper().split("-"))]
    return max(fitting, key=lambda card: len(card.name), default=None)
