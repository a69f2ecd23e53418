"""The Llama decoder: causal over right-padded rows, so that no mask is ever needed in training."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.model.config import TextConfig
from vlatrain.model.recomputing import run_block
from vlatrain.model.turned import turn, turned


class Rotary(NamedTuple):
    """Rotary position embedding of the places at hand, each [1 or B, 1, S, head_size]."""

    cos: Tensor
    sin: Tensor

    def turn(self, heads: Tensor) -> Tensor:
        """Rotates queries or keys [B, H, S, head_size]."""
        return turn(heads, self.cos, self.sin)

    def at(self, places: Tensor) -> "Rotary":
        """Of a rotation of all places, that of `places` [B, K] of each row."""
        return Rotary(self.cos[0, 0, places].unsqueeze(1), self.sin[0, 0, places].unsqueeze(1))


def rotary(places: Tensor, config: TextConfig, dtype: torch.dtype) -> Rotary:
    """The rotation at `places` ([S] or [B, S]): computed in fp32, cast once, shared by all layers."""
    exponents = torch.arange(0, config.head_size, 2, device=places.device, dtype=torch.float32) / config.head_size
    angles = places.float().unsqueeze(-1) / config.rope_theta**exponents
    angles = torch.cat((angles, angles), dim=-1)
    angles = angles[None, None] if places.dim() == 1 else angles[:, None]
    return Rotary(angles.cos().to(dtype), angles.sin().to(dtype))


class RmsNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, hidden: Tensor) -> Tensor:
        return F.rms_norm(hidden, self.weight.shape, self.weight, self.eps)


class LayerCache:
    """Keys and values of one layer for every place of a row, [B, H, places, head_size].

    The prompt fills places 0..S-1 of all rows at once. Later tokens are put at a place of each row's own, over the
    padding of shorter prompts; places behind it are masked. The tensors stay where they are.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values

    @property
    def n_places(self) -> int:
        return self.keys.shape[2]

    def fill(self, keys: Tensor, values: Tensor) -> None:
        """Those of a prompt, [B, H, S, head_size], from the first place on."""
        self.keys[:, :, : keys.shape[2]] = keys
        self.values[:, :, : values.shape[2]] = values

    def put(self, keys: Tensor, values: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Those of one token a row, [B, H, 1, head_size], at `places` [B]; all keys and values that there are then."""
        rows = torch.arange(len(places), device=places.device)
        self.keys[rows, :, places] = keys[:, :, 0].to(self.keys.dtype)
        self.values[rows, :, places] = values[:, :, 0].to(self.values.dtype)
        return self.keys, self.values


class Attention(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.head_size = config.head_size
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.joint: Tensor | None = None  # while the policy answers: queries', keys' and values' weights as one
        self.merges_prompts = True  # whether `joint` is for many places of a row, too
        self.beside: Callable[[Tensor], Tensor] | None = None  # while it answers: all three over weights in fp8
        self.grouped: Callable[[Tensor], Tensor] | None = None  # while it trains by groups: all three products as one
        self.turns_jointly = False  # whether their gradient is put together by `joint_gradients`
        self.copies_values = False  # out of `grouped`, where it is a sum that the compiler would write whole for them

    def forward(
        self,
        hidden: Tensor,
        turn: Rotary,
        cache: LayerCache | None,
        places: Tensor | None,
        wanted: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        query, key, value = self._turned(hidden, turn, wanted)
        if wanted is not None:
            mask = _up_to(wanted, key.shape[2])
        if cache is not None and places is None:
            cache.fill(key, value)
        elif cache is not None and places is not None:
            key, value = cache.put(key, value, places)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _turned(self, hidden: Tensor, turn: Rotary, wanted: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, of the wanted places only, keys and values, each [B, H, S, head_size]."""
        joined = self._joined(hidden, wanted)
        if joined is not None and self.turns_jointly and wanted is None and torch.is_grad_enabled():
            query, key, value = turned(joined, turn.cos, turn.sin)
            return query, key, value.contiguous() if self.copies_values else value
        if joined is None:
            asking = hidden if wanted is None else take(hidden, wanted)
            query, key, value = self.q_proj(asking), self.k_proj(hidden), self.v_proj(hidden)
        else:
            query, key, value = joined.chunk(3, dim=-1)
            query = query if wanted is None else take(query, wanted)
        query, key, value = (self._heads(one) for one in (query, key, value))
        return (turn if wanted is None else turn.at(wanted)).turn(query), turn.turn(key), value

    def _joined(self, hidden: Tensor, wanted: Tensor | None) -> Tensor | None:
        """Queries, keys and values of all places as one product [B, S, 3 width]; None where each is one of its own."""
        if self.joint is not None and (self.merges_prompts or hidden.shape[1] == 1):
            return F.linear(hidden, self.joint)
        if self.beside is not None:
            return self.beside(hidden)
        if self.grouped is not None and wanted is None and torch.is_grad_enabled():
            return self.grouped(hidden)
        return None

    def _heads(self, projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:2], -1, self.head_size).transpose(1, 2)


class Mlp(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.joint: Tensor | None = None  # while the policy answers: the weights of both as one
        self.merges_prompts = True  # as in Attention
        self.beside: Callable[[Tensor], Tensor] | None = None
        self.grouped: Callable[[Tensor], Tensor] | None = None  # while it trains by groups: both products as one
        self.finished: Callable[[Tensor], Tensor] | None = None  # and what becomes of them, from gate|up on
        self.whole: Callable[[Tensor], Tensor] | None = None  # while it trains by kernels over weights in fp8: all

    def forward(self, hidden: Tensor) -> Tensor:
        if self.joint is not None and (self.merges_prompts or hidden.shape[1] == 1):
            gate, up = F.linear(hidden, self.joint).chunk(2, dim=-1)
        elif self.beside is not None:
            gate, up = self.beside(hidden).chunk(2, dim=-1)
        elif self.whole is not None and torch.is_grad_enabled():
            return self.whole(hidden)
        elif self.grouped is not None and torch.is_grad_enabled():
            joined = self.grouped(hidden)
            if self.finished is not None:
                return self.finished(joined)
            gate, up = joined.chunk(2, dim=-1)
        else:
            gate, up = self.gate_proj(hidden), self.up_proj(hidden)
        out: Tensor = self.down_proj(F.silu(gate) * up)
        return out


class DecoderLayer(nn.Module):
    """`hidden` is the first argument, so that hooks can look at or change what enters and leaves a layer."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = Mlp(config)

    @property
    def of_one_input(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Its linears by what they read: queries, keys and values; the output; gate and up; down."""
        attention, mlp = self.self_attn, self.mlp
        asked, gated = (attention.q_proj, attention.k_proj, attention.v_proj), (mlp.gate_proj, mlp.up_proj)
        return asked, (attention.o_proj,), gated, (mlp.down_proj,)

    def forward(
        self,
        hidden: Tensor,
        turn: Rotary,
        cache: LayerCache | None = None,
        places: Tensor | None = None,
        wanted: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """`mask` [B, 1, S, places], True where a place may be looked at, stands for plain causality."""
        mixed = self.self_attn(self.input_layernorm(hidden), turn, cache, places, wanted, mask)
        hidden = (hidden if wanted is None else take(hidden, wanted)) + mixed
        out: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return out


class LlamaModel(nn.Module):
    """Embedding, layers and the final norm; the norm is applied by the head, to the places that are asked for.

    `at_input` holds what the states pass before they enter a layer, by the layer's number: nothing, or what changes
    their gradient. With `recomputed` the layers keep nothing but their input for the backward pass. `one_token`, where
    there is one, continues filled caches instead of the layers.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.at_input: dict[int, Callable[[Tensor], Tensor]] = {}
        self.recomputed = False
        self.one_token: Callable[[Tensor, list[LayerCache], Tensor], Tensor] | None = None
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        embeddings: Tensor,
        caches: list[LayerCache] | None = None,
        places: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, S, hidden_size] before the final norm.

        `places` [B] continues filled caches with one token a row, each at its own place; without it the rows start
        at place 0. `wanted` [B, K] asks for the hidden states of these places only, [B, K, hidden_size]: the last
        layer then computes nothing else.
        """
        if self.one_token is not None and caches is not None and places is not None:
            return self.one_token(embeddings, caches, places)
        where = torch.arange(embeddings.shape[1], device=embeddings.device) if places is None else places[:, None]
        turn = rotary(where, self.config, embeddings.dtype)
        mask = _up_to(places[:, None], caches[0].n_places) if places is not None and caches else None
        hidden = embeddings
        for index, layer in enumerate(self.layers):
            asked = wanted if index == len(self.layers) - 1 else None
            if index in self.at_input:
                hidden = self.at_input[index](hidden)
            cache = caches[index] if caches else None
            hidden = run_block(layer, self.recomputed, hidden, turn, cache, places, asked, mask)
        return hidden


class LlamaForCausalLM(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.model = LlamaModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm and head, applied to hidden states of any leading shape."""
        out: Tensor = self.lm_head(self.model.norm(hidden))
        return out

    def empty_caches(self, rows: int, n_places: int, like: Tensor) -> list[LayerCache]:
        """Zeros in the type and on the device of `like`: places that nobody fills are masked, but must be numbers."""
        config = self.model.config
        shape = (rows, config.num_attention_heads, n_places, config.head_size)
        return [LayerCache(like.new_zeros(shape), like.new_zeros(shape)) for _ in self.model.layers]


def take(hidden: Tensor, places: Tensor) -> Tensor:
    """The hidden states at `places` [B, K] of each row: [B, K, width]."""
    return hidden.gather(1, places.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))


def _up_to(places: Tensor, n_places: int) -> Tensor:
    """What each of `places` [B, K] may attend to: itself and all before it, [B, 1, K, n_places]."""
    return (torch.arange(n_places, device=places.device) <= places.unsqueeze(-1)).unsqueeze(1)
