"""What `gpu_bench.py` measures, part by part: each prints lines as it goes and notes every row at once."""

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from loader import Timed, fastest, loader, made_set
from speed_answers import measure_ours, measure_reference
from speed_gradients import gradients
from speed_memory import largest_batches
from speed_place import DEVICE, IS_TRIAL, SMALL_BATCH, model_config, release, wait
from speed_profile import floors, profiled
from speed_scaling import scaling
from speed_start import starts
from speed_steps import (
    BF16,
    BF16_NOT_JOINT,
    BF16_UNGROUPED,
    FP8,
    FP8_GROUPED,
    FP8_NO_KERNELS,
    PLAIN,
    REFERENCE,
    Contender,
    Setting,
    codec_7b,
    line,
    measured,
)
from timed_parts import Note, Part
from vlatrain.train.staging import Staging

SMALL, LARGE = Setting(SMALL_BATCH), Setting(2 * SMALL_BATCH)
UNEQUAL = Setting(SMALL.batch, has_equal_texts=False)
CHECKPOINT_NUMBERS = 110_828_288
"""Of adapters of rank 32; AdamW keeps two moments of each."""


def step(note: Note, _: float) -> None:
    """Batch 16, texts of one length: public libraries, ours in bf16 and in fp8, in turns; ours with all levers off."""
    in_turns(note, SMALL, [REFERENCE, BF16, BF16_NOT_JOINT, FP8, FP8_NO_KERNELS, PLAIN])
    in_turns(note, SMALL, [REFERENCE, BF16_NOT_JOINT, BF16, FP8_NO_KERNELS, FP8])


def large(note: Note, _: float) -> None:
    """Batch 32."""
    in_turns(note, LARGE, [REFERENCE, BF16, FP8])


def unequal(note: Note, _: float) -> None:
    """Batch 16, texts of 26 to 42 tokens."""
    in_turns(note, UNEQUAL, [REFERENCE, BF16, FP8])


def levers(note: Note, _: float) -> None:
    """Batch 16: with and without `grouped_lora`, over fp8 without its kernels; then once more, in the other order."""
    in_turns(note, SMALL, [BF16, BF16_UNGROUPED, FP8_NO_KERNELS, FP8_GROUPED])
    in_turns(note, SMALL, [FP8_GROUPED, FP8_NO_KERNELS, BF16_UNGROUPED, BF16])


def in_turns(note: Note, setting: Setting, contenders: list[Contender]) -> None:
    for contender in contenders:
        found = measured(contender, setting)
        note(found)
        print(line(found), flush=True)


def kernels(note: Note, _: float) -> None:
    """The kernels of a step by their time, beside what the card's own rates allow."""
    floors(SMALL, note)
    for contender in (BF16, BF16_NOT_JOINT, FP8, FP8_NO_KERNELS):
        profiled(contender, SMALL, note)


def joint_gradients(note: Note, _: float) -> None:
    """The widest gradients put together from pieces, and rounding to fp8: by the compiler and by kernels of ours."""
    gradients(SMALL, note)


def answers(note: Note, _: float) -> None:
    """With and without kernels of our own; the reference answers one row at a time, as the published class does."""
    measure_ours(note, "ours, kernels", is_compiled=True, kernels=True)
    measure_ours(note, "ours, fp8, kernels", is_compiled=True, kernels=True, has_fp8=True)
    measure_ours(note, "ours", is_compiled=True)
    measure_reference(note)
    measure_ours(note, "plain", (1, 16), is_captured=False)


def checkpoint(note: Note, _: float) -> None:
    """How long a step waits for the copy of what a checkpoint holds: adapters of rank 32 and AdamW's moments."""
    release()
    count = CHECKPOINT_NUMBERS // 100 if IS_TRIAL else CHECKPOINT_NUMBERS
    tensors = [torch.randn(count, device=DEVICE) for _ in range(3)]
    parts = {str(number): list(tensor.chunk(874)) for number, tensor in enumerate(tensors)}
    staging, times = Staging(), []
    for _number in range(6):
        wait()
        started = time.perf_counter()
        staging.copied(parts)
        times.append(time.perf_counter() - started)
    size_gb, stall_s = staging.size_bytes / 1e9, statistics.median(times[1:])
    note({"size_gb": size_gb, "stall_s": stall_s, "first_s": times[0]})
    print(f"a checkpoint of {size_gb:.2f} GB stalls {1000 * stall_s:.1f} ms", flush=True)


def start(note: Note, _: float) -> None:
    """From `vlad start` to the first step, twice."""
    starts(note)


def feeding(note: Note, _: float) -> None:
    """Batch 16 from the loader, decoded by four threads while the GPU works, beside the same from memory."""
    codec = codec_7b(model_config())
    with tempfile.TemporaryDirectory() as folder:
        frames = made_set(Path(folder))
        for threads in (0, 4):
            rate = fastest(loader(frames, threads), 100)
            note({"who": f"{threads} threads", "frames_per_s": rate})
            print(f"the loader feeds {rate:.0f} frames/s at most by {threads} threads", flush=True)
        for contender in (BF16, FP8):
            stream = loader(frames, 4, SMALL.batch, codec.actions).stream(0)
            batches = Timed(stream)
            fed, memory = measured(contender, SMALL, batches=batches), measured(contender, SMALL)
            stream.close()
            waited = batches.waited_s[4:]
            found = {"who": contender.name, "from_loader_s": fed["step_s"], "from_memory_s": memory["step_s"]}
            note({**found, "waited_s": [statistics.median(waited), max(waited)]})
            print(
                f"{contender.name}: {fed['step_s']:.4f} s/step from the loader, {memory['step_s']:.4f} from memory; "
                f"a batch is waited for {1000 * statistics.median(waited):.2f} ms, {1000 * max(waited):.2f} at most"
            )


def memory(note: Note, _: float) -> None:
    """The largest batch that trains in 24, 48, 80 and 141 GB."""
    largest_batches(note)


def several(note: Note, most_s: float) -> None:
    """The same step on each number of GPUs of this machine, each with its own batch."""
    release()
    scaling(note, most_s)


PARTS: Mapping[str, Part] = {
    "step": Part(165, step),
    "predict": Part(95, answers),
    "checkpoint": Part(10, checkpoint),
    "large": Part(65, large),
    "unequal": Part(75, unequal),
    "start": Part(120, start),
    "scaling": Part(140, several, gpus=2),
    "memory": Part(150, memory),
    "feeding": Part(40, feeding),
    "levers": Part(100, levers),
    "kernels": Part(55, kernels),
    "gradients": Part(30, joint_gradients),
}
"""The most wanted first."""
