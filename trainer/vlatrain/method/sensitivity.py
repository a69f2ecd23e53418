"""How much a small step of the instruction's states along a direction changes what the model says next.

The plain way runs the whole model once for each direction and batch. Here the pass is taken up where the step is made:
the layers above run in fp32 (in bf16 a step of 1e-3 is mostly rounded away), many directions side by side, and only
over the places that the step can reach: those from the instruction on, because attention looks back only.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.configuration.method import StatesAt
from vlatrain.method.probe import ProbeBatch
from vlatrain.method.states import instruction_mask
from vlatrain.model.llama import Attention, DecoderLayer, Rotary, rotary, take
from vlatrain.model.openvla import OpenVLA

DIRECTIONS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Past:
    """Keys and values [B, H, P, head_size] of the places before the first one that a step can reach."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True, slots=True)
class Branches:
    """C copies of the reachable places side by side in one row: a place sees the past and its own copy before it.

    `turn` is of these C*T places, `mask` [C*T, P + C*T] who sees whom, `ends` [B, C] each copy's place of the answer.
    """

    turn: Rotary
    mask: Tensor
    ends: Tensor


class Tail:
    """The layers above the step, the final norm and the head, in `dtype`; the model itself stays as it is."""

    def __init__(self, vla: OpenVLA, layer: int, at: StatesAt, dtype: torch.dtype = torch.float32) -> None:
        decoder = vla.language_model.model
        self.entry = layer if at is StatesAt.INPUT else layer + 1
        self.dtype = dtype
        self._config = decoder.config
        self._n_patches = vla.config.n_patches
        self._layers = [_copied(one, dtype) for one in list(decoder.layers)[self.entry :]]
        self._norm = deepcopy(decoder.norm).to(dtype)
        self._head = deepcopy(vla.language_model.lm_head).to(dtype)

    @property
    def is_reached(self) -> bool:
        """Whether a step can change the answer at all: behind the last layer no place looks at another."""
        return bool(self._layers)

    @torch.no_grad()
    def divergences(self, states: Tensor, batch: ProbeBatch, basis: Tensor, epsilon: float) -> Tensor:
        """KL divergence of the next token's distribution after the step from that before it: fp64 [B, r].

        `states` [B, S, D] enter the first layer of the tail; the step adds `epsilon` times a column of `basis` [D, r]
        to the states of the instruction. The next token is the one behind the prompt.
        """
        if not self.is_reached:
            return torch.zeros(len(states), basis.shape[1], dtype=torch.float64, device=states.device)
        first = int(batch.first.min()) + self._n_patches
        ends = batch.lengths[:, None] + self._n_patches - 1 - first
        whole = states.to(self.dtype)
        pasts = self._pasts(whole[:, :first])
        reached, mask = whole[:, first:], instruction_mask(batch, self._n_patches)[:, first:]
        before = self._logits(reached, pasts, self._branches(1, reached.shape[1], first, ends))
        found = []
        for columns in torch.split(basis.to(self.dtype).T, DIRECTIONS_AT_ONCE):
            steps = epsilon * columns[None, :, None] * mask[:, None, :, None]
            stepped = (reached[:, None] + steps).flatten(1, 2)
            branches = self._branches(len(columns), reached.shape[1], first, ends)
            found.append(divergence(before, self._logits(stepped, pasts, branches)))
        return torch.cat(found, dim=1)

    def _branches(self, count: int, length: int, first: int, ends: Tensor) -> Branches:
        places = torch.arange(length, device=ends.device)
        copy = torch.arange(count, device=ends.device).repeat_interleave(length)
        place = places.repeat(count)
        sees = (copy[:, None] == copy) & (place[:, None] >= place)
        mask = torch.cat((torch.ones(len(copy), first, dtype=torch.bool, device=ends.device), sees), dim=1)
        return Branches(
            rotary(place + first, self._config, self.dtype),
            mask,
            ends + length * torch.arange(count, device=ends.device),
        )

    def _pasts(self, hidden: Tensor) -> list[Past]:
        """Of every layer, from the unchanged states [B, P, D] before the first reachable place."""
        turn = rotary(torch.arange(hidden.shape[1], device=hidden.device), self._config, self.dtype)
        pasts = []
        for layer in self._layers:
            keys, values = _keys_values(layer.self_attn, layer.input_layernorm(hidden), turn)
            pasts.append(Past(keys, values))
            hidden = layer(hidden, turn)
        return pasts

    def _logits(self, hidden: Tensor, pasts: list[Past], branches: Branches) -> Tensor:
        """[B, C, V] at the end of each copy; the last layer computes nothing but these places."""
        for number, (layer, past) in enumerate(zip(self._layers, pasts, strict=True), start=1):
            hidden = _through(layer, hidden, past, branches, ends_only=number == len(self._layers))
        logits: Tensor = self._head(self._norm(hidden))
        return logits


def _copied(layer: nn.Module, dtype: torch.dtype) -> DecoderLayer:
    assert isinstance(layer, DecoderLayer)
    return deepcopy(layer).to(dtype)


def _through(layer: DecoderLayer, hidden: Tensor, past: Past, branches: Branches, *, ends_only: bool) -> Tensor:
    attention, normed = layer.self_attn, layer.input_layernorm(hidden)
    keys, values = _keys_values(attention, normed, branches.turn)
    keys, values = torch.cat((past.keys, keys), dim=2), torch.cat((past.values, values), dim=2)
    turn, mask = branches.turn, branches.mask
    if ends_only:
        hidden, normed = take(hidden, branches.ends), take(normed, branches.ends)
        turn, mask = turn.at(branches.ends), mask[branches.ends].unsqueeze(1)
    query = turn.turn(_heads(attention, attention.q_proj(normed)))
    mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    hidden = hidden + attention.o_proj(mixed.transpose(1, 2).flatten(2))
    out: Tensor = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return out


def _keys_values(attention: Attention, normed: Tensor, turn: Rotary) -> tuple[Tensor, Tensor]:
    return turn.turn(_heads(attention, attention.k_proj(normed))), _heads(attention, attention.v_proj(normed))


def _heads(attention: Attention, projected: Tensor) -> Tensor:
    return projected.view(*projected.shape[:2], -1, attention.head_size).transpose(1, 2)


def divergence(before: Tensor, after: Tensor) -> Tensor:
    """KL(p || q) of the distributions of two logits [..., V], in fp64, exact also where they hardly differ.

    With d = after - before it is log(sum p exp(d)) - sum p d; both are of the size of d and their difference of that of
    d squared, so each is built from what is left when d is small.
    """
    reference = before.double()
    change = after.double() - reference
    share = reference.softmax(-1)
    return torch.log1p((share * torch.expm1(change)).sum(-1)) - (share * change).sum(-1)
