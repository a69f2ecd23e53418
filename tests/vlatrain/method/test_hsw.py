"""Gradient surgery against its definition written out, and under everything that training may put around it."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from vlatrain.method.hsw import Dials, LayerSurgery, Norms, Subspace, Surgeries, operate
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import IGNORED, OpenVLA

CPU = torch.device("cpu")
WIDTH, FRAGILE, PLASTIC = 16, 5, 3


def subspace(seed: int = 0, width: int = WIDTH) -> Subspace:
    random = torch.randn(width, FRAGILE + PLASTIC, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns = torch.linalg.qr(random)[0].float()
    return Subspace(columns[:, :FRAGILE], columns[:, FRAGILE:])


def dials(beta: float, gamma: float, eps: float = 1e-8) -> Dials:
    return Dials(beta, gamma, eps, CPU)


def gradient(seed: int = 1, shape: tuple[int, ...] = (2, 7, WIDTH), dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def operated(g: Tensor, space: Subspace, beta: float, gamma: float, eps: float = 1e-8) -> tuple[Tensor, Norms]:
    result, norms = operate(g, torch.cat(space, 1), FRAGILE, dials(beta, gamma, eps).values)
    return result, Norms(*norms.tolist())


def straightforward(g: Tensor, space: Subspace, beta: float, gamma: float, eps: float) -> tuple[Tensor, Norms]:
    """The definition, in fp64, row by row as it is written."""
    g, f, p = g.double(), space.fragile.double(), space.plastic.double()
    g_f, g_p = g @ f @ f.T, g @ p @ p.T
    g_n = g - g_f - g_p
    weighted = g_n + beta * g_p + gamma * g_f
    scale = torch.minimum(torch.tensor(1.0), g.norm() / (weighted.norm() + eps))
    lengths = [g.norm(), weighted.norm(), (weighted * scale).norm(), scale, g_f.norm(), g_p.norm(), g_n.norm()]
    return weighted * scale, Norms(*(float(length) for length in lengths))


@pytest.mark.parametrize(("beta", "gamma"), [(0.5, 0.1), (0.0, 0.0), (1.0, 0.3), (3.0, 2.0), (0.2, 5.0)])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-7), (torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 1e-3)],
)
def test_it_is_its_definition(beta: float, gamma: float, dtype: torch.dtype, tolerance: float) -> None:
    g, space = gradient(dtype=dtype), subspace()
    found, norms = operated(g, space, beta, gamma)
    expected, expected_norms = straightforward(g, space, beta, gamma, 1e-8)
    assert found.dtype is dtype
    assert float((found.double() - expected).norm() / expected.norm()) < tolerance
    torch.testing.assert_close(torch.tensor(norms), torch.tensor(expected_norms), rtol=max(tolerance, 1e-5), atol=1e-5)


def test_the_parts_of_a_known_gradient() -> None:
    """3 along a fragile axis, 4 along a plastic one, 12 along neither: 13 long."""
    axes = torch.eye(WIDTH)
    space = Subspace(axes[:, :FRAGILE], axes[:, FRAGILE : FRAGILE + PLASTIC])
    g = 3 * axes[0] + 4 * axes[FRAGILE] + 12 * axes[-1]
    found, norms = operated(g, space, beta=0.5, gamma=0.0)
    torch.testing.assert_close(found, 2 * axes[FRAGILE] + 12 * axes[-1])
    assert (norms.g, norms.g_fragile, norms.g_plastic, norms.g_null, norms.g_scale) == (13, 3, 4, 12, 1)
    assert norms.g_post == pytest.approx(148**0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-7, 1.0, 1e4])
def test_beta_and_gamma_of_one_change_no_bit(dtype: torch.dtype, size: float) -> None:
    g = (gradient() * size).to(dtype)
    g[0, 0, :3] = torch.tensor([0.0, -0.0, 1e-7])
    found, norms = operated(g, subspace(), 1.0, 1.0)
    assert torch.equal(found.view(torch.uint8), g.view(torch.uint8))
    assert (norms.g_scale, norms.g_post) == (1.0, norms.g)


@given(beta=st.floats(0, 50), gamma=st.floats(0, 50), seed=st.integers(0, 99), size=st.floats(-20, 4))
@settings(max_examples=100, deadline=None)
def test_a_gradient_never_gets_longer(beta: float, gamma: float, seed: int, size: float) -> None:
    g = gradient(seed) * 10**size
    found, norms = operated(g, subspace(seed), beta, gamma)
    assert float(found.norm()) <= float(g.norm()) * (1 + 1e-5)
    assert norms.g_post <= norms.g * (1 + 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_surgery_of_a_scaled_gradient_is_the_scaled_surgery(dtype: torch.dtype) -> None:
    """As loss scaling needs; an eps of the gradient's own size would tell if it did not follow."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    eps, g = 0.5, gradient().to(dtype)
    plain, scaled = dials(0.5, 4.0, eps), dials(0.5, 4.0, eps)
    scaled.follow(scaler)
    basis = torch.cat(subspace(), 1)
    unscaled_result, unscaled_norms = operate(g, basis, FRAGILE, plain.values)
    result, norms = operate(g * 2.0**12, basis, FRAGILE, scaled.values)
    assert torch.equal(result, unscaled_result * 2.0**12)
    torch.testing.assert_close(norms, unscaled_norms)


def test_an_overflow_stays_one_so_that_the_step_is_skipped() -> None:
    g = gradient(dtype=torch.float16)
    g[0, 0, 0] = float("inf")
    assert not operated(g, subspace(), 0.5, 0.1)[0].isfinite().all()


class Chain(nn.Module):
    """A line of layers with the surgery in front of the last one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.dials = dials(0.5, 0.1)
        self.surgery = LayerSurgery(torch.cat(subspace(), 1), FRAGILE, self.dials.values)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh()).square().sum()

    def last(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.second(self.surgery(hidden))
        return out

    def gradients(self) -> list[Tensor]:
        found = [parameter.grad.clone() for parameter in self.parameters() if parameter.grad is not None]
        self.zero_grad()
        return found


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def plain(chain: Chain) -> tuple[list[Tensor], Tensor]:
    """What one pass leaves in the parameters, and what it measures."""
    chain(gradient(2)).backward()
    found = chain.gradients(), chain.surgery.sums.clone()
    chain.surgery.sums.zero_()
    return found


def test_only_what_lies_before_the_layer_feels_it(chain: Chain, plain: tuple[list[Tensor], Tensor]) -> None:
    x = gradient(2)
    hidden = chain.first(x).tanh()
    hidden.retain_grad()
    chain.second(hidden).square().sum().backward()
    assert hidden.grad is not None
    whole = chain.gradients()
    (first,) = torch.autograd.grad(
        chain.first(x).tanh(), chain.first.weight, straightforward(hidden.grad, subspace(), 0.5, 0.1, 1e-8)[0].float()
    )
    torch.testing.assert_close(plain[0][0], first)
    assert not torch.allclose(whole[0], first, rtol=0.05)
    assert all(torch.equal(one, other) for one, other in zip(whole[2:], plain[0][2:], strict=True))


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_changes_nothing_and_measures_once(
    chain: Chain, plain: tuple[list[Tensor], Tensor], reentrant: bool
) -> None:
    hidden = chain.first(gradient(2)).tanh()
    checkpoint(chain.last, hidden, use_reentrant=reentrant).square().sum().backward()
    assert all(torch.equal(one, other) for one, other in zip(chain.gradients(), plain[0], strict=True))
    assert torch.equal(chain.surgery.sums, plain[1])


def test_a_compiled_step_does_the_same_and_sees_turned_dials(chain: Chain, plain: tuple[list[Tensor], Tensor]) -> None:
    compiled = torch.compile(chain, backend="aot_eager", fullgraph=True)
    compiled(gradient(2)).backward()
    assert all(torch.equal(one, other) for one, other in zip(chain.gradients(), plain[0], strict=True))
    torch.testing.assert_close(chain.surgery.sums, plain[1])
    chain.dials.turn(1.0, 0.7)
    compiled(gradient(2)).backward()
    turned = chain.gradients()
    chain(gradient(2)).backward()
    assert all(torch.equal(one, other) for one, other in zip(turned, chain.gradients(), strict=True))
    assert not torch.equal(turned[0], plain[0][0])


def test_without_gradients_nothing_passes_through_and_nothing_is_kept(chain: Chain) -> None:
    hidden = gradient()
    with torch.no_grad():
        assert chain.surgery(hidden) is hidden
    with torch.inference_mode():
        assert chain.surgery(hidden) is hidden


def batch(model: OpenVLA, rows: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size, end = model.config.image_size, model.config.action_vocab_end
    ids = torch.randint(3, end, (rows, 15), generator=generator)
    labels = torch.full_like(ids, IGNORED)
    labels[:, -8:] = ids[:, -8:]
    pixels = torch.randn(rows, 6, size, size, generator=generator)
    return {"pixel_values": pixels, "input_ids": ids, "labels": labels}


def surgeries_of(model: OpenVLA, beta: float, gamma: float, layers: tuple[int, ...] = (1, 2)) -> Surgeries:
    width = model.config.text.hidden_size
    surgeries = Surgeries({layer: subspace(layer, width) for layer in layers}, dials(beta, gamma))
    surgeries.install(model.language_model.model)
    return surgeries


def lora_gradients(model: OpenVLA, train: Callable[[nn.Module], None]) -> dict[str, Tensor]:
    adapted = add_lora(model, rank=4, seed=3)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(len(name)))
    train(adapted)
    named = [(name, parameter.grad) for name, parameter in adapted.named_parameters()]
    return {name: grad for name, grad in named if grad is not None}


def test_a_model_answers_the_same_and_learns_differently_before_the_layer(
    make_tiny_model: Callable[[int], OpenVLA],
) -> None:
    def one_pass(adapted: nn.Module) -> None:
        adapted(**batch(model, 3, 1)).loss().backward()

    model = make_tiny_model(1)
    plain_answer = model(**batch(model, 3, 1)).logits
    plain = lora_gradients(model, one_pass)
    model = make_tiny_model(1)
    surgeries_of(model, 0.5, 0.0, layers=(2,))
    assert torch.equal(model(**batch(model, 3, 1)).logits, plain_answer)
    steered = lora_gradients(model, one_pass)
    assert plain.keys() == steered.keys()
    same = {name for name in plain if torch.equal(plain[name], steered[name])}
    assert same == {name for name in plain if ".layers.2." in name}


def test_one_over_one_is_plain_lora_to_the_bit(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    def one_pass(adapted: nn.Module) -> None:
        adapted(**batch(model, 3, 1)).loss().backward()

    model = make_tiny_model(1)
    plain = lora_gradients(model, one_pass)
    model = make_tiny_model(1)
    surgeries_of(model, 1.0, 1.0)
    steered = lora_gradients(model, one_pass)
    assert all(torch.equal(plain[name], steered[name]) for name in plain)


def test_recomputed_blocks_learn_and_measure_the_same(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    """Activation checkpointing as the trainer does it."""
    found = []
    for is_recomputed in (False, True):
        model = make_tiny_model(1)
        surgeries = surgeries_of(model, 0.5, 0.1)
        model.language_model.model.recomputed = is_recomputed

        def one_pass(adapted: nn.Module, model: OpenVLA = model) -> None:
            adapted(**batch(model, 3, 1)).loss().backward()

        found.append((lora_gradients(model, one_pass), surgeries.sums()))
    (kept, kept_norms), (recomputed, recomputed_norms) = found
    assert all(torch.equal(kept[name], recomputed[name]) for name in kept)
    assert kept_norms == recomputed_norms
    assert all(kept_norms)


def test_norms_add_up_over_accumulated_passes_layer_by_layer(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    model = make_tiny_model(1)
    surgeries = surgeries_of(model, 0.5, 0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    seen: list[Tensor] = []

    def passes(adapted: nn.Module) -> None:
        for seed in (1, 2):
            surgeries.expect_backward(scaler)
            (adapted(**batch(model, 2, seed)).loss() / 2).backward()
            seen.append(torch.tensor(surgeries.sums()))

    lora_gradients(model, passes)
    assert surgeries.count == 2
    first, both = seen
    assert (both > first).all()
    assert len(set(first.view(2, 7)[:, 0].tolist())) == 2
    saved = surgeries.state_dict()
    surgeries.clear()
    assert not any(surgeries.sums())
    surgeries.load_state_dict(saved)
    assert surgeries.state_dict() == saved
    surgeries.load_state_dict({"count": 9, "sums": [1.0] * 7})
    assert surgeries.count == 0
