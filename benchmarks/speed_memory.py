"""The largest batch that trains within so many gigabytes, found by a cap on torch's allocator, beside the plan's."""

from dataclasses import replace
from typing import Any

import torch
from speed_place import DEVICE, IS_TRIAL, model_config, possible, random_model, release, wait
from speed_steps import TEXT_TOKENS, Setting, codec_7b, endless, made_batches, our_step
from timed_parts import Note
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.memory import Checkpointing
from vlatrain.configuration.speed import BasePrecision, Switch
from vlatrain.distributed import Ranks
from vlatrain.planning.cards import CARDS
from vlatrain.planning.plan import plan
from vlatrain.planning.sizes import sizes_of
from vlatrain.train.learner import learner_of

BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96)
SMALL_CARD: dict[str, Any] = {"activation_checkpointing": Checkpointing.BLOCKS}
CASES: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (24, "fp8, blocks computed again", {"base_precision": BasePrecision.FP8, **SMALL_CARD}),
    (48, "bf16", {}),
    (80, "bf16", {}),
    (141, "bf16", {}),
    (24, "bf16, blocks computed again", SMALL_CARD),
    (80, "fp8", {"base_precision": BasePrecision.FP8}),
)
"""The most wanted first: gigabytes, name, settings"""


def largest_batches(note: Note) -> None:
    for cap_gb, name, settings in CASES:
        found = largest(cap_gb, settings)
        note({"cap_gb": cap_gb, "who": name, **found})
        print(f"{cap_gb:>4} GB, {name}: batch {found['batch']}; the plan says {found['planned']}", flush=True)


def largest(cap_gb: int, settings: dict[str, Any]) -> dict[str, Any]:
    """From the plan's answer up or down until the next larger one fails. The driver's part is taken off the cap."""
    foretold = planned(cap_gb, settings)
    at = max((number for number, batch in enumerate(BATCHES) if batch <= foretold), default=0)
    step = 1 if fits(BATCHES[at], cap_gb, settings) else -1
    while 0 <= at + step < len(BATCHES) and fits(BATCHES[at + step], cap_gb, settings) is (step > 0):
        at += step
    at += step if step < 0 else 0
    return {"batch": BATCHES[at] if at >= 0 else 0, "planned": foretold}


def planned(cap_gb: int, settings: dict[str, Any]) -> int:
    """The largest of BATCHES that `vlad plan` lets train on a card of this size."""
    card = replace(CARDS["H200"], memory_bytes=cap_gb * 10**9)
    sizes = sizes_of(model_config(), TEXT_TOKENS)
    configs = [FinetuneConfig(batch_size=batch, enable_periodic_eval=False, **settings) for batch in BATCHES]
    return max((one.batch_size for one in configs if plan(one, sizes, card, 1).fits), default=0)


def fits(batch: int, cap_gb: int, settings: dict[str, Any]) -> bool:
    """Whether two steps of it go through; without compiled blocks, whose programs need the same memory."""
    release()
    cap(cap_gb * 10**9)
    try:
        config = FinetuneConfig(batch_size=batch, compile=Switch.OFF, **possible(settings))
        learner = learner_of(random_model(), config, None, Ranks(), DEVICE)
        batches = endless([*made_batches(Setting(batch), 1)])
        step = our_step(learner, batches, codec_7b(model_config()), config)
        step()
        step()
        wait()
    except torch.OutOfMemoryError:
        return False
    finally:
        cap(None)
    return True


def cap(size_bytes: int | None) -> None:
    """What the process may hold; what the driver holds already is in it."""
    if IS_TRIAL:
        return
    free, total = torch.cuda.mem_get_info()
    of_driver = total - free - torch.cuda.memory_reserved()
    share = 1.0 if size_bytes is None else min(1.0, (size_bytes - of_driver) / total)
    torch.cuda.set_per_process_memory_fraction(share)
