"""Times of the policy's answers: one picture and prompt in, seven tokens out, for several rows together."""

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from speed_place import DEVICE, DTYPE, IS_TRIAL, model_config, random_model, release, wait
from speed_steps import bare_reference
from timed_parts import Note
from torch import Tensor
from vlatrain.fast.answers import Answers
from vlatrain.fast.compiling import compile_blocks
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.fp8 import to_fp8
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

PROMPT_TOKENS = 25
ROWS = (1, 4, 16, 64)

Asked = tuple[Tensor, Tensor, Tensor]


def question_of(config: OpenVLAConfig, rows: int) -> Asked:
    """Pixels, prompts of one length, lengths."""
    generator = torch.Generator(DEVICE).manual_seed(5)
    size = config.image_size
    pixels = torch.randn(rows, 6, size, size, device=DEVICE, generator=generator).to(DTYPE)
    ids = torch.randint(3, config.action_vocab_end, (rows, PROMPT_TOKENS), device=DEVICE, generator=generator)
    return pixels, ids, torch.full((rows,), PROMPT_TOKENS, device=DEVICE)


def adapted_model(*, is_fused: bool, has_fp8: bool = False, is_compiled: bool = False) -> OpenVLA:
    vla = random_model()
    add_lora(vla, is_fused=is_fused).to(DEVICE)
    if has_fp8:
        to_fp8(vla, DEVICE)
    if is_compiled and not IS_TRIAL:
        compile_blocks(vla)
    return vla.eval()


def answered(name: str, rows: int, ask: Callable[[], Tensor], repeats: int = 10) -> dict[str, Any]:
    """Seconds from the question to tokens on the host."""
    times = []
    for _ in range(2 + repeats):
        wait()
        started = time.perf_counter()
        ask().cpu()
        times.append(time.perf_counter() - started)
    median = statistics.median(times[2:])
    low, _, high = statistics.quantiles(times[2:], n=4)
    found = {"who": name, "rows": rows, "answer_s": median, "quartiles_s": [low, high], "actions_per_s": rows / median}
    print(
        f"{name:>13} {rows:>2} rows: {1000 * median:.1f} ms ({1000 * low:.1f} to {1000 * high:.1f}), "
        f"{rows / median:.1f} actions/s",
        flush=True,
    )
    return found


def measure_ours(
    note: Note,
    name: str,
    rows: tuple[int, ...] = ROWS,
    *,
    is_captured: bool = True,
    kernels: bool = False,
    **how: bool,
) -> None:
    """Graphs, or the plain path under autocast."""
    release()
    vla = adapted_model(is_fused=is_captured, **how)
    pad = vla.config.pad_token_id
    answers = Answers(vla, pad, is_captured=is_captured and not IS_TRIAL, has_kernels=kernels)
    context = nullcontext() if is_captured else torch.autocast(DEVICE.type, DTYPE, enabled=not IS_TRIAL)
    with answers.opened(), context:
        for count in rows:
            note(answered(name, count, partial(answers, *question_of(vla.config, count))))


@torch.inference_mode()
def measure_reference(note: Note) -> None:
    """Public libraries: towers and projector, then `generate` of transformers' Llama with its cache."""
    release()
    reference = bare_reference().eval()
    pixels, ids, _ = question_of(model_config(), 1)

    def ask() -> Tensor:
        embedded = reference.language_model.get_input_embeddings()(ids)
        embeddings = torch.cat((embedded[:, :1], reference._patches(pixels), embedded[:, 1:]), dim=1)
        places = torch.ones(embeddings.shape[:2], device=DEVICE, dtype=torch.long)
        llama: Any = reference.language_model
        tokens: Tensor = llama.generate(
            inputs_embeds=embeddings, attention_mask=places, max_new_tokens=7, min_new_tokens=7, do_sample=False
        )
        return tokens

    note(answered("reference", 1, ask))
