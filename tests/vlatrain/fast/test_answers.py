"""Which way an answer goes; where nothing can be captured, as on a CPU, it goes that way uncaptured."""

from collections.abc import Callable

import pytest
import torch
from made_adapters import nudged
from policy_questions import question
from torch import Tensor
from vlatrain.fast import answers as module
from vlatrain.fast import merged as merging
from vlatrain.fast.answers import Answers
from vlatrain.fast.one_token import OneToken
from vlatrain.model.fp8 import base_of, to_fp8
from vlatrain.model.llama import Attention, DecoderLayer
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

Make = Callable[[int], OpenVLA]


@pytest.fixture(autouse=True)
def without_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(module, "captured", cannot)
    monkeypatch.setattr(module, "warm_up", lambda *_: None)
    monkeypatch.setattr(module, "side_stream", lambda _: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(merging, "_has_room", lambda *_: True)


def in_fp8(vla: OpenVLA) -> OpenVLA:
    nudged(add_lora(vla, rank=6, is_fused=True))
    to_fp8(vla, torch.device("cpu"))
    return vla.eval()


def ways(vla: OpenVLA) -> list[tuple[bool, bool, bool]]:
    """Of each pass through the first layer's attention: merged weights, fp8 of one input together, many places."""
    seen = []
    attention = vla.language_model.model.get_submodule("layers.0.self_attn")
    assert isinstance(attention, Attention)

    def look(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        is_prompt = inputs[0].shape[1] > 1
        is_merged = attention.joint is not None and (attention.merges_prompts or not is_prompt)
        seen.append((is_merged, attention.beside is not None, is_prompt))

    attention.register_forward_pre_hook(look)
    return seen


MERGED_PROMPT, JOINT_PROMPT, PROMPT = (True, False, True), (False, True, True), (False, False, True)
MERGED_TOKEN, JOINT_TOKEN = (True, False, False), (False, True, False)


@pytest.mark.parametrize(
    ("rows", "has_room", "expected"),
    [
        (1, True, [MERGED_PROMPT]),
        (1, False, [JOINT_PROMPT]),
        (2, True, [MERGED_PROMPT, *[MERGED_TOKEN] * 6]),
        (2, False, [JOINT_PROMPT, *[JOINT_TOKEN] * 6]),
        (8, True, [PROMPT, *[MERGED_TOKEN] * 6]),
    ],
)
def test_over_a_base_in_fp8_the_rows_decide_and_the_room(
    make_tiny_model: Make,
    rows: int,
    has_room: bool,
    expected: list[tuple[bool, bool, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One row's further tokens pass no layer."""
    monkeypatch.setattr(merging, "_has_room", lambda parts, _: has_room or not isinstance(parts[0], DecoderLayer))
    vla = in_fp8(make_tiny_model(1))
    plain = vla.predict(*question(vla, [8] * rows))
    answers = Answers(vla, vla.config.pad_token_id, True, has_kernels=True)
    seen = ways(vla)
    with answers.opened():
        found = answers(*question(vla, [8] * rows))
    assert seen == expected
    if expected[0] == JOINT_PROMPT:
        assert torch.equal(found, plain), "what it multiplies is what the plain path multiplies"
    assert torch.equal(vla.predict(*question(vla, [8] * rows)), plain)


def test_one_row_s_tokens_are_made_over_the_base_itself(make_tiny_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Noted(OneToken):
        def __init__(self, decoder, weights) -> None:  # type: ignore[no-untyped-def]
            made.append(weights[0].asked)
            super().__init__(decoder, weights)

    monkeypatch.setattr(module, "OneToken", Noted)
    vla = in_fp8(make_tiny_model(1))
    answers = Answers(vla, vla.config.pad_token_id, True, has_kernels=True)
    for rows in (1, 2, 1):
        with answers.opened():
            answers(*question(vla, [8] * rows))
    base = base_of(vla.language_model.model.get_submodule("layers.0.self_attn.q_proj"))
    assert [one.weight.data_ptr() for one in made] == [base.weight.data_ptr()] * 2
