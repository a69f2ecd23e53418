"""How long a step takes: operations over what a card achieves, and what launching kernels costs."""

from dataclasses import dataclass

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.planning.cards import Card
from vlatrain.planning.sizes import BlockSize, Sizes

ACHIEVED = 0.39  # share of a card's stated rate, plain loop; measured on one H200
LAUNCH_S = 0.15  # of one pass forward and backward, of the 7B's blocks
LAUNCHED_BLOCKS = 81
FP32_SLOWER = 4.0
NF4_SLOWER = 1.3  # weights are expanded in each pass
SHARDED_SLOWER = 1.25  # weights are gathered in each pass


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one optimizer update."""

    step_s: float
    samples_per_s: float


def step_operations(config: FinetuneConfig, sizes: Sizes) -> float:
    """Multiplications and additions of one sample, forward and backward."""
    level = config.activation_checkpointing
    again = {
        sizes.decoder: level is not Checkpointing.NONE,
        **dict.fromkeys(sizes.towers, level is Checkpointing.FULL),
        sizes.projector: False,
    }
    head = 2 * sizes.actions * sizes.vocabulary * sizes.decoder.width
    return 2 * head + sum(_block_operations(block, config, is_again) for block, is_again in again.items())


def _block_operations(block: BlockSize, config: FinetuneConfig, is_again: bool) -> float:
    """A frozen weight costs one product forward and one backward, an adapter two backward."""
    frozen = 2 * block.places * block.count * block.weights
    attention = 4 * block.places**2 * block.width * block.count
    trained = 2 * block.places * block.lora(config.lora_rank) if config.use_lora else frozen
    forward = frozen + attention + (trained if config.use_lora else 0)
    backward = frozen + 2 * attention + (2 * trained if config.use_lora else trained)
    return forward * (2 if is_again else 1) + backward


def speed(config: FinetuneConfig, sizes: Sizes, card: Card, precision: Precision, nproc: int) -> Speed:
    """An estimate for plain bf16 or fp16 kernels; data and evaluation not counted."""
    rate = card.tflops * 1e12 * ACHIEVED / (FP32_SLOWER if precision is Precision.FP32 else 1)
    slower = NF4_SLOWER if config.use_quantization else 1.0
    slower *= SHARDED_SLOWER if config.sharding is Sharding.FULL and nproc > 1 else 1.0
    launch_s = LAUNCH_S * sum(block.count for block in sizes.blocks) / LAUNCHED_BLOCKS
    micro_batch_s = launch_s + slower * config.batch_size * step_operations(config, sizes) / rate
    step_s = config.grad_accumulation_steps * micro_batch_s
    return Speed(step_s, config.batch_size * config.grad_accumulation_steps * nproc / step_s)
