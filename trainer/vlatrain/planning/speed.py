"""How long a step takes: operations over what a card achieves, and what launching kernels costs."""

from dataclasses import dataclass

from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.configuration.memory import Checkpointing, Sharding
from vlatrain.planning.cards import Card
from vlatrain.planning.measured import Measured, Pace
from vlatrain.planning.sizes import BlockSize, Sizes
from vlatrain.planning.used import Launching, launching_of, used_on

NF4_SLOWER = 1.3  # weights are expanded in each pass
SHARDED_SLOWER = 1.25  # weights are gathered in each pass


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one optimizer update; `is_replayed` where its passes are replayed as CUDA graphs."""

    step_s: float
    samples_per_s: float
    is_replayed: bool = False


def step_operations(config: FinetuneConfig, sizes: Sizes) -> float:
    """Multiplications and additions of one sample, forward and backward."""
    head = 2 * sizes.actions * sizes.vocabulary * sizes.decoder.width
    blocks = recomputed(config, sizes).items()
    return 2 * head + sum(_block_operations(block, config, is_again) for block, is_again in blocks)


def _block_operations(block: BlockSize, config: FinetuneConfig, is_again: bool) -> float:
    """A frozen weight costs one product forward and one backward, an adapter two backward."""
    frozen = 2 * block.places * block.count * block.weights
    attention = 4 * block.places**2 // block.rows * block.width * block.count
    trained = 2 * block.places * block.lora(config.lora_rank) if config.use_lora else frozen
    forward = frozen + attention + (trained if config.use_lora else 0)
    backward = frozen + 2 * attention + (2 * trained if config.use_lora else trained)
    return forward * (2 if is_again else 1) + backward


def speed(config: FinetuneConfig, sizes: Sizes, card: Card, precision: Precision, nproc: int, known: Measured) -> Speed:
    """An estimate: the longer of what launching and what the device need; data and evaluation not counted."""
    launching = launching_of(used_on(card, config, precision, nproc))
    pace = known.paces[launching]
    slower = NF4_SLOWER if config.has_nf4_base else 1.0
    slower *= SHARDED_SLOWER if config.sharding is Sharding.FULL and nproc > 1 else 1.0
    slower *= known.fp32_slower if precision is Precision.FP32 else 1.0
    in_fp8 = config.has_fp8_base and launching is not Launching.SINGLE
    share = known.fp8_achieved if in_fp8 else pace.achieved
    device_s = slower * config.batch_size * step_operations(config, sizes) / (card.tflops * 1e12 * share)
    launch_s = launch_time(config, sizes, pace)
    step_s = config.grad_accumulation_steps * max(launch_s, pace.unhidden * launch_s + device_s)
    samples = config.batch_size * config.grad_accumulation_steps * nproc
    return Speed(step_s, samples / step_s, launching is Launching.REPLAYED)


def launch_time(config: FinetuneConfig, sizes: Sizes, pace: Pace) -> float:
    """Seconds that launching the kernels of one micro-batch takes."""
    again = sum(block.count for block, is_again in recomputed(config, sizes).items() if is_again)
    return pace.launch_s * sum(block.count for block in sizes.blocks) + pace.again_s * again


def recomputed(config: FinetuneConfig, sizes: Sizes) -> dict[BlockSize, bool]:
    """Each kind of block, and whether it is computed again in the backward pass."""
    level = config.activation_checkpointing
    return {
        sizes.decoder: level is not Checkpointing.NONE,
        **dict.fromkeys(sizes.towers, level is Checkpointing.FULL),
        sizes.projector: False,
    }
