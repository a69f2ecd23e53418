"""Answers of the policy through CUDA graphs: prompt and picture read and seven tokens chosen in one launch."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vlatrain.fast.beside import Beside, beside, read_beside
from vlatrain.fast.capture import captured, warm_up
from vlatrain.fast.compiling import uncompiled
from vlatrain.fast.levers import Levers
from vlatrain.fast.merged import LayerWeights, merged, read_prompts
from vlatrain.fast.one_token import OneToken
from vlatrain.fast.streams import side_stream
from vlatrain.model.fp8 import has_fp8
from vlatrain.model.openvla import OpenVLA

Question = tuple[Tensor, ...]
"""What `OpenVLA.predict` is asked, in its order."""
ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64)
"""Sizes of batches that are captured; more rows are answered plainly."""
FP8_ROWS = 8
"""From so many rows on prompts are read faster by fp8 products with adapters beside them than by merged weights: on an
H200 16 rows were, by 23 ms of 146, and 4 were not."""
PROMPT_STEP = 4
"""Lengths of prompts are multiples of it where answers are captured, anew in each evaluation: few graphs"""


@dataclass(slots=True)
class Captured:
    """One graph, the tensors it reads and the one it writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Question
    tokens: Tensor

    def __call__(self, inputs: Question) -> Tensor:
        for place, tensor in zip(self.inputs, inputs, strict=True):
            place.copy_(tensor)
        self.graph.replay()
        return self.tokens.clone()


@dataclass(slots=True)
class Answers:
    """`OpenVLA.predict`, captured where `is_captured`: once for each length of prompts and number of rows.

    Use it while `opened`: adapters are then added to copies of the weights where the card has room, and what was
    captured is forgotten at the end, for weights to be trained on.

    With `has_kernels` a row's answer goes by `_hastened`:

    | rows | pictures and prompt | further tokens |
    |---|---|---|
    | 1 | merged weights, both towers at the same time | `one_token`, over merged weights |
    | 1, base in fp8 | the same | `one_token`, over the base with adapters beside |
    | 2 to 7, or base not in fp8 | merged weights | merged weights |
    | 8 and more, base in fp8 | as in training: fp8 products, adapters beside | merged weights |

    Where there is no room for merged weights of the decoder its layers compute as in training, with kernels over fp8
    linears of one input together; `one_token` then only over fp8.
    """

    vla: OpenVLA
    pad_token_id: int
    is_captured: bool
    has_kernels: bool = False
    actions: int = 1
    """How many each answer foretells"""
    is_compiled: bool = False
    """Whether blocks are; an answer that is not captured does not use that, which would compile anew for every size"""
    _graphs: dict[tuple[int, int], Captured | None] = field(default_factory=dict)
    _merged: list[LayerWeights[Tensor]] | None = None
    _beside: list[LayerWeights[Beside]] | None = None
    _pool: Any = None
    """The working memory, which all graphs share: one is replayed at a time, and its tokens are copied at once."""

    @torch.inference_mode()
    def __call__(
        self, pixel_values: Tensor, input_ids: Tensor, lengths: Tensor, states: Tensor | None = None
    ) -> Tensor:
        """The most likely action tokens [B, 7 an action]; see `OpenVLA.predict`."""
        rows = next((size for size in ROWS if size >= len(input_ids)), None)
        if not self.is_captured or rows is None:
            with uncompiled() if self.is_compiled else nullcontext():
                return self.vla.predict(pixel_values, input_ids, lengths, states, actions=self.actions)
        texts = F.pad(input_ids, (0, -input_ids.shape[1] % PROMPT_STEP), value=self.pad_token_id)
        question = (pixel_values, texts, lengths) if states is None else (pixel_values, texts, lengths, states)
        inputs = _filled(question, rows)
        key = (rows, inputs[1].shape[1])
        with self._hastened(rows) if self._graphs.get(key) is None else nullcontext():
            if key not in self._graphs:
                self._graphs[key] = self._captured(inputs)
            known = self._graphs[key]
            tokens = self.vla.predict(*inputs, actions=self.actions) if known is None else known(inputs)
        return tokens[: len(input_ids)]

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Around an evaluation, on a model in its evaluation mode."""
        self._graphs.clear()
        self._pool = torch.cuda.graph_pool_handle() if self.is_captured else None
        try:
            with merged(self.vla) if self.is_captured else nullcontext() as self._merged:
                if self.is_captured and self.has_kernels and has_fp8(self.vla):
                    self._beside = beside(self.vla)
                yield
        finally:
            self._merged = self._beside = None
            self._graphs.clear()
            if self.is_captured:
                torch.cuda.empty_cache()

    @contextmanager
    def _hastened(self, rows: int) -> Iterator[None]:
        """With other ways through towers and decoder, where they are wanted and so many rows gain by them."""
        towers, decoder = self.vla.vision_backbone, self.vla.language_model.model
        before = towers.side_stream
        is_single = self.has_kernels and rows == 1
        weights = self._beside or self._merged
        try:
            if is_single:
                towers.side_stream = before or side_stream(decoder.norm.weight.device)
            if is_single and weights is not None:
                decoder.one_token = OneToken(decoder, weights)
            if self.has_kernels:
                read_prompts(self.vla, is_merged=rows < FP8_ROWS or not has_fp8(self.vla))
            with read_beside(self.vla, self._beside) if self._beside and not self._merged else nullcontext():
                yield
        finally:
            towers.side_stream, decoder.one_token = before, None
            read_prompts(self.vla, is_merged=True)

    def _captured(self, inputs: Question) -> Captured | None:
        """None where the card has no room for a graph. Raises OutOfMemoryError where it has none for an answer."""
        places = tuple(tensor.clone() for tensor in inputs)
        answer = partial(self.vla.predict, *places, actions=self.actions)
        warm_up(answer, 1)
        try:
            graph, tokens = captured(answer, self._pool)
        except torch.OutOfMemoryError:
            return None
        return Captured(graph, places, tokens)


def answers_of(vla: OpenVLA, pad_token_id: int, used: Levers, actions: int) -> Answers:
    """Answers by the levers in use, each of so many actions."""
    return Answers(vla, pad_token_id, used.captures_answers, used.answer_kernels, actions, is_compiled=used.compile)


def _filled(question: Question, rows: int) -> Question:
    """With the last row repeated up to `rows`."""
    asked = len(question[0])
    if asked == rows:
        return question
    which = torch.arange(rows, device=question[0].device).clamp(max=asked - 1)
    return tuple(tensor[which] for tensor in question)
