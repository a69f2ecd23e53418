"""Sensitivities against running the whole model once for each direction."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from vlatrain.configuration.method import StatesAt
from vlatrain.method.probe import ProbeBatch
from vlatrain.method.sensitivity import DIRECTIONS_AT_ONCE, Tail, divergence
from vlatrain.method.states import instruction_mask, instruction_states
from vlatrain.model.openvla import OpenVLA

DOUBLE = torch.float64
EPSILON = 1e-3


@pytest.fixture(scope="module")
def model(make_tiny_model: Callable[[int], OpenVLA]) -> OpenVLA:
    return make_tiny_model(1).to(DOUBLE)


@pytest.fixture(scope="module")
def batch(model: OpenVLA) -> ProbeBatch:
    """Three prompts of unequal length; BOS and one token, the instruction, two tokens."""
    generator = torch.Generator().manual_seed(2)
    size = model.config.image_size
    lengths = torch.tensor([9, 6, 7])
    ids = torch.randint(3, model.config.action_vocab_end, (3, 9), generator=generator)
    ids = ids.where(torch.arange(9) < lengths[:, None], model.config.pad_token_id)
    pixels = torch.randn(3, 6, size, size, generator=generator, dtype=DOUBLE)
    return ProbeBatch(pixels, ids, lengths, torch.tensor([2, 2, 3]), lengths - 2)


def basis(model: OpenVLA, count: int) -> Tensor:
    random = torch.randn(model.config.text.hidden_size, count, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    columns: Tensor = torch.linalg.qr(random)[0]
    return columns


@torch.no_grad()
def answer(model: OpenVLA, batch: ProbeBatch, layer: int, at: StatesAt, step: Tensor) -> Tensor:
    """Log-probabilities of the next token when `step` [D] is added to the instruction's states; one whole pass."""
    decoder = model.language_model.model
    added = step * instruction_mask(batch, model.config.n_patches).to(DOUBLE)[..., None]
    if at is StatesAt.INPUT:
        hook = decoder.layers[layer].register_forward_pre_hook(lambda _module, args: (args[0] + added, *args[1:]))
    else:
        hook = decoder.layers[layer].register_forward_hook(lambda _module, _args, output: output + added)
    hidden = decoder(model.embed(batch.pixel_values, batch.input_ids))
    hook.remove()
    last = hidden[torch.arange(len(hidden)), batch.lengths + model.config.n_patches - 1]
    return model.language_model.logits(last).log_softmax(-1)


def plainly(model: OpenVLA, batch: ProbeBatch, layer: int, at: StatesAt, columns: Tensor) -> Tensor:
    before = answer(model, batch, layer, at, torch.zeros_like(columns[:, 0]))
    after = [answer(model, batch, layer, at, EPSILON * column) for column in columns.T]
    return torch.stack([(before.exp() * (before - one)).sum(-1) for one in after], dim=1)


@torch.no_grad()
def entering(model: OpenVLA, batch: ProbeBatch, entry: int) -> Tensor:
    """The states that enter a layer, taken down on the way."""
    seen: list[Tensor] = []
    decoder = model.language_model.model

    def note(hidden: Tensor) -> Tensor:
        seen.append(hidden)
        return hidden

    decoder.at_input = {entry: note}
    decoder(model.embed(batch.pixel_values, batch.input_ids))
    decoder.at_input = {}
    return seen[0]


@pytest.mark.parametrize(
    ("layer", "at"),
    [(0, StatesAt.INPUT), (2, StatesAt.INPUT), (0, StatesAt.OUTPUT), (1, StatesAt.OUTPUT)],
    ids=lambda value: str(value),
)
def test_it_finds_what_whole_passes_find(model: OpenVLA, batch: ProbeBatch, layer: int, at: StatesAt) -> None:
    columns = basis(model, 5)
    tail = Tail(model, layer, at, DOUBLE)
    found = tail.divergences(entering(model, batch, tail.entry), batch, columns, EPSILON)
    expected = plainly(model, batch, layer, at, columns)
    assert (found > 0).all()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-15)  # what the plain sum rounds away


def test_in_single_precision_the_order_is_the_same(model: OpenVLA, batch: ProbeBatch) -> None:
    columns = basis(model, 12)
    exact = plainly(model, batch, 0, StatesAt.OUTPUT, columns).mean(0)
    tail = Tail(model, 0, StatesAt.OUTPUT)
    found = tail.divergences(entering(model, batch, 1), batch, columns, EPSILON).mean(0)
    torch.testing.assert_close(found, exact, rtol=1e-2, atol=0)
    assert found.argsort().tolist() == exact.argsort().tolist()


def test_many_directions_are_those_of_few(model: OpenVLA, batch: ProbeBatch) -> None:
    count = DIRECTIONS_AT_ONCE + 3
    columns = torch.cat((basis(model, 32), basis(model, 32)), dim=1)[:, :count]
    tail = Tail(model, 1, StatesAt.INPUT, DOUBLE)
    states = entering(model, batch, 1)
    together = tail.divergences(states, batch, columns, EPSILON)
    assert together.shape == (3, count)
    torch.testing.assert_close(together[:, -3:], tail.divergences(states, batch, columns[:, -3:], EPSILON))


def test_a_step_behind_the_last_layer_reaches_no_answer(model: OpenVLA, batch: ProbeBatch) -> None:
    """Why the original program's sensitivities of the last layer are all zero."""
    columns = basis(model, 4)
    tail = Tail(model, 2, StatesAt.OUTPUT, DOUBLE)
    assert not tail.is_reached
    assert plainly(model, batch, 2, StatesAt.OUTPUT, columns).abs().max() < 1e-15
    assert not tail.divergences(torch.zeros(3, 13, 32), batch, columns, EPSILON).any()
    assert Tail(model, 2, StatesAt.INPUT).is_reached


def test_the_model_stays_as_it_is(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    vla = make_tiny_model(1).to(torch.bfloat16)
    Tail(vla, 0, StatesAt.OUTPUT)
    assert {parameter.dtype for parameter in vla.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("size", [1e-6, 1e-4, 0.1, 3.0])
def test_the_divergence_is_exact_where_logits_hardly_differ(size: float) -> None:
    generator = torch.Generator().manual_seed(1)
    before = 3 * torch.randn(50, generator=generator, dtype=DOUBLE)
    after = before + size * torch.randn(50, generator=generator, dtype=DOUBLE)
    p, q = before.softmax(-1), after.softmax(-1)
    expected = float((p * (p.log() - q.log())).sum())
    assert float(divergence(before, after)) == pytest.approx(expected, rel=1e-3 if size < 1e-5 else 1e-6)
    assert float(divergence(before, before)) == 0.0


@pytest.mark.parametrize("at", list(StatesAt))
def test_pooled_states_are_means_over_the_instruction(model: OpenVLA, batch: ProbeBatch, at: StatesAt) -> None:
    pooled = instruction_states(model, batch, (0, 2), at)
    assert pooled.dtype is torch.float32
    shift = model.config.n_patches
    for place, layer in enumerate((0, 2)):
        if at is StatesAt.INPUT:
            states = entering(model, batch, layer)
        elif layer == 2:
            with torch.no_grad():
                decoder = model.language_model.model
                states = decoder.norm(decoder(model.embed(batch.pixel_values, batch.input_ids)))
        else:
            states = entering(model, batch, layer + 1)
        for row, (first, end) in enumerate(zip(batch.first.tolist(), batch.end.tolist(), strict=True)):
            expected = states[row, first + shift : end + shift].mean(0)
            torch.testing.assert_close(pooled[row, place], expected.float())
