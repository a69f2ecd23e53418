"""Gradient surgery where it has to be quick: captured in a graph, in half precision, without waits for the device."""

import pytest
import torch
from torch import Tensor
from vlatrain.fast.capture import captured, warm_up
from vlatrain.method.hsw import Dials, LayerSurgery, Subspace, operate

WIDTH, FRAGILE, PLASTIC = 256, 16, 8
CUDA = torch.device("cuda")


def subspace() -> Subspace:
    random = torch.randn(WIDTH, FRAGILE + PLASTIC, device=CUDA, generator=torch.Generator(CUDA).manual_seed(1))
    columns = torch.linalg.qr(random)[0]
    return Subspace(columns[:, :FRAGILE], columns[:, FRAGILE:])


def gradient(dtype: torch.dtype) -> Tensor:
    return torch.randn(4, 40, WIDTH, device=CUDA, generator=torch.Generator(CUDA).manual_seed(2)).to(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 1e-3)])
def test_it_is_its_definition_in_fp64(dtype: torch.dtype, tolerance: float) -> None:
    g, space = gradient(dtype), subspace()
    found, _ = operate(g, torch.cat(space, 1), FRAGILE, Dials(0.5, 0.1, 1e-8, CUDA).values)
    exact, f, p = g.double(), space.fragile.double(), space.plastic.double()
    expected = exact - 0.5 * exact @ p @ p.T - 0.9 * exact @ f @ f.T
    assert float((found.double() - expected).norm() / expected.norm()) < tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_over_one_changes_no_bit(dtype: torch.dtype) -> None:
    g = gradient(dtype)
    found, _ = operate(g, torch.cat(subspace(), 1), FRAGILE, Dials(1.0, 1.0, 1e-8, CUDA).values)
    assert torch.equal(found.view(torch.uint8), g.view(torch.uint8))


def test_a_captured_step_sees_turned_dials_and_adds_its_norms_up() -> None:
    dials = Dials(0.5, 0.1, 1e-8, CUDA)
    surgery = LayerSurgery(torch.cat(subspace(), 1), FRAGILE, dials.values)
    weight = torch.randn(WIDTH, WIDTH, device=CUDA, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    x = gradient(torch.float32)

    def step() -> None:
        torch.autograd.backward((surgery((x @ weight).tanh()) * x).sum())

    def measured(work: "torch.cuda.CUDAGraph | None") -> tuple[Tensor, Tensor]:
        weight.grad.zero_()  # type: ignore[union-attr]
        surgery.sums.zero_()
        step() if work is None else work.replay()
        return weight.grad.clone(), surgery.sums.clone()  # type: ignore[union-attr]

    warm_up(step, 3)
    graph, _ = captured(step)
    for beta, gamma in ((0.5, 0.1), (1.0, 1.0), (0.2, 0.9)):
        dials.turn(beta, gamma)
        for replayed, eager in zip(measured(graph), measured(None), strict=True):
            torch.testing.assert_close(replayed, eager)


def test_nothing_waits_for_the_device() -> None:
    dials = Dials(0.5, 0.1, 1e-8, CUDA)
    surgery = LayerSurgery(torch.cat(subspace(), 1), FRAGILE, dials.values)
    hidden = gradient(torch.bfloat16).requires_grad_()
    scaler = torch.amp.GradScaler("cuda")
    scaler.scale(torch.ones(1, device=CUDA))  # makes the scale, once
    torch.cuda.set_sync_debug_mode("error")
    try:
        dials.follow(scaler)
        torch.autograd.backward(surgery(hidden).float().square().sum())
    finally:
        torch.cuda.set_sync_debug_mode("default")
