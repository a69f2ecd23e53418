"""Times of the policy's answers: one picture and prompt in, seven tokens out, for several rows together."""

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from gpu_models import random_7b
from reference_model import Reference
from speed_steps import DEVICE, release
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
    generator = torch.Generator("cuda").manual_seed(5)
    size = config.image_size
    pixels = torch.randn(rows, 6, size, size, device="cuda", generator=generator).bfloat16()
    ids = torch.randint(3, config.action_vocab_end, (rows, PROMPT_TOKENS), device="cuda", generator=generator)
    return pixels, ids, torch.full((rows,), PROMPT_TOKENS, device="cuda")


def adapted_7b(*, is_fused: bool, has_fp8: bool = False, is_compiled: bool = False) -> OpenVLA:
    vla = random_7b()
    add_lora(vla, is_fused=is_fused).to(DEVICE)
    if has_fp8:
        to_fp8(vla, DEVICE)
    if is_compiled:
        compile_blocks(vla)
    return vla.eval()


def answered(name: str, rows: int, ask: Callable[[], Tensor], repeats: int = 10) -> dict[str, Any]:
    """Seconds from the question to tokens on the host."""
    times = []
    for _ in range(2 + repeats):
        torch.cuda.synchronize()
        started = time.perf_counter()
        ask().cpu()
        times.append(time.perf_counter() - started)
    median = statistics.median(times[2:])
    low, _, high = statistics.quantiles(times[2:], n=4)
    found = {"who": name, "rows": rows, "answer_s": median, "quartiles_s": [low, high], "actions_per_s": rows / median}
    print(
        f"{name:>10} {rows:>2} rows: {1000 * median:.1f} ms ({1000 * low:.1f} to {1000 * high:.1f}), "
        f"{rows / median:.1f} actions/s",
        flush=True,
    )
    return found


def measure_ours(name: str, rows: tuple[int, ...] = ROWS, *, is_captured: bool = True, **how: bool) -> list[Any]:
    """Graphs, or the plain path under autocast."""
    release()
    vla = adapted_7b(is_fused=is_captured, **how)
    answers = Answers(vla, vla.config.pad_token_id, is_captured=is_captured)
    context = nullcontext() if is_captured else torch.autocast("cuda", torch.bfloat16)
    with answers.opened(), context:
        asked = [question_of(vla.config, count) for count in rows]
        return [answered(name, len(one[0]), partial(answers, *one)) for one in asked]


@torch.inference_mode()
def measure_reference() -> list[Any]:
    """Public libraries: towers and projector, then `generate` of transformers' Llama with its cache."""
    release()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with DEVICE:
        reference = Reference(OpenVLAConfig(), "timm").eval()
    torch.set_default_dtype(before)
    pixels, ids, _ = question_of(OpenVLAConfig(), 1)

    def ask() -> Tensor:
        embedded = reference.language_model.get_input_embeddings()(ids)
        embeddings = torch.cat((embedded[:, :1], reference._patches(pixels), embedded[:, 1:]), dim=1)
        places = torch.ones(embeddings.shape[:2], device=DEVICE, dtype=torch.long)
        llama: Any = reference.language_model
        tokens: Tensor = llama.generate(
            inputs_embeds=embeddings, attention_mask=places, max_new_tokens=7, min_new_tokens=7, do_sample=False
        )
        return tokens

    return [answered("reference", 1, ask)]
