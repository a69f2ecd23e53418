"""What the gradient surgery adds to a training step: steps with and without it in turn, and the surgery by itself.

    PYTHONPATH=supervisor:trainer python3 benchmarks/hsw_cost.py --size 7b      a GPU with 80 GiB, two minutes
    PYTHONPATH=supervisor:trainer python3 benchmarks/hsw_cost.py --size tiny    anywhere, a minute

A step is the trainer's: LoRA in fp32 on every linear that learns, autocast, AdamW; the last four layers are operated
on, with 64 fragile and 32 plastic directions. Turns of a few steps make drifts of the clock cancel.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from random_model import random_openvla, training_batch
from vlatrain.method.hsw import Dials, Subspace, Surgeries, operate
from vlatrain.method.layers import LAST
from vlatrain.model.lora import add_lora
from vlatrain.model.openvla import OpenVLA

FRAGILE, PLASTIC = 64, 32


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    vla = random_openvla(options.size, device, dtype)
    surgeries = _surgeries(vla, device)
    step = _trainer(vla, surgeries, options.batch, device, dtype)
    decoder = vla.language_model.model
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{options.size} in {dtype} on {name}, torch {torch.__version__}, batch {options.batch}")
    times: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(options.turns + 1):
        for kind, kinds in times.items():
            decoder.at_input = {**surgeries.by_layer} if kind == "with" else {}
            for _ in range(options.steps):
                took = _timed(step)
                if turn:  # the first turn warms up
                    kinds.append(took)
    without, with_surgery = (statistics.median(one) for one in times.values())
    told = f"step without {1e3 * without:.2f} ms, with {1e3 * with_surgery:.2f} ms (medians of {len(times['with'])})"
    print(f"{told}: {100 * (with_surgery / without - 1):+.2f} %")
    alone = _alone(surgeries, options.batch, vla, dtype)
    share = 100 * alone * len(surgeries.by_layer) / without
    print(f"one surgery alone {1e3 * alone:.3f} ms, {len(surgeries.by_layer)} of them {share:.2f} % of a step")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "7b"), default="tiny")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5, help="in a turn")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def _surgeries(vla: OpenVLA, device: torch.device) -> Surgeries:
    text = vla.config.text
    columns = torch.linalg.qr(torch.randn(text.hidden_size, FRAGILE + PLASTIC, device=device))[0]
    space = Subspace(columns[:, :FRAGILE], columns[:, FRAGILE:])
    layers = range(text.num_hidden_layers - LAST, text.num_hidden_layers)
    return Surgeries(dict.fromkeys(layers, space), Dials(0.5, 0.1, 1e-8, device))


def _trainer(
    vla: OpenVLA, surgeries: Surgeries, batch_size: int, device: torch.device, dtype: torch.dtype
) -> Callable[[], None]:
    adapted = add_lora(vla, rank=32).to(device).train()
    optimizer = torch.optim.AdamW([one for one in adapted.parameters() if one.requires_grad], lr=1e-5)
    scaler = torch.amp.GradScaler(device.type, enabled=False)
    batch = training_batch(vla, batch_size, device, dtype)

    def step() -> None:
        surgeries.expect_backward(scaler)
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            loss = adapted(**batch).loss()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _alone(surgeries: Surgeries, batch_size: int, vla: OpenVLA, dtype: torch.dtype, repeats: int = 100) -> float:
    """Seconds of one surgery on a gradient of the step's own shape, back to back."""
    surgery = next(iter(surgeries.by_layer.values()))
    places = vla.config.n_patches + 34
    gradient = torch.randn(batch_size, places, vla.config.text.hidden_size, device=surgery.basis.device, dtype=dtype)

    def work() -> None:
        for _ in range(repeats):
            operate(gradient, surgery.basis, surgery.n_fragile, surgery.dials)

    work()
    return _timed(work) / repeats


def _timed(work: Callable[[], None]) -> float:
    _wait()
    started = time.perf_counter()
    work()
    _wait()
    return time.perf_counter() - started


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
