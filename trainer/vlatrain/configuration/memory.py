"""The settings that decide what a card must hold while it trains. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum

from vlatrain.configuration.checks import one_of
from vlatrain.configuration.option import option


class Checkpointing(StrEnum):
    """What is computed again in the backward pass instead of being kept."""

    NONE = "none"
    BLOCKS = "blocks"
    FULL = "full"


class Sharding(StrEnum):
    """Whether each rank holds the whole model (none), or a part of it (full: FSDP2)."""

    NONE = "none"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory: what to give up where a card cannot hold the training (`vlad plan` tells)."""

    activation_checkpointing: Checkpointing = option(
        Checkpointing.NONE, "compute again, slower, what the decoder (blocks), or the towers too (full), would keep"
    )
    sharding: Sharding = option(Sharding.NONE, "full: spread the base model over the ranks (FSDP2); slower")

    def check_memory(self) -> None:
        one_of(self, Checkpointing, "activation_checkpointing")
        one_of(self, Sharding, "sharding")
