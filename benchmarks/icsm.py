"""How long the sensitivities of ICSM take, beside the plain way, and that both find the same.

    PYTHONPATH=supervisor:trainer python3 benchmarks/icsm.py --size 7b      a GPU with 40 GiB, two minutes
    PYTHONPATH=supervisor:trainer python3 benchmarks/icsm.py --size tiny    anywhere, a minute

The plain way runs the whole model once for each direction and batch, as the original program does; a few of its passes
are timed, all of them would take that many times as long. That both find the same is shown with fp64 above the step;
then how far fp32, in which `vlad icsm` computes, and the model's own precision are from that: in bf16 a step of 1e-3 is
mostly rounded away.
"""

import argparse
import time
from collections.abc import Callable
from copy import deepcopy

import torch
from random_model import probe_of, random_openvla
from torch import Tensor
from vlatrain.configuration.method import StatesAt
from vlatrain.method.layers import Groups
from vlatrain.method.probe import ProbeBatch
from vlatrain.method.sensitivity import Tail, divergence
from vlatrain.method.states import entering_state, instruction_mask, instruction_states
from vlatrain.model.llama import rotary
from vlatrain.model.openvla import OpenVLA

EPSILON = 1e-3


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    vla = random_openvla(options.size, device, dtype)
    batches = [probe_of(vla, options.batch, device, dtype, seed) for seed in range(options.samples // options.batch)]
    layers = Groups.of(vla.config.text.num_hidden_layers).representatives
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{options.size} in {dtype} on {name}, torch {torch.__version__}")
    print(f"{options.samples} samples in batches of {options.batch}, {options.directions} directions, layers {layers}")
    pooling_s = seconds(lambda: instruction_states(vla, batches[0], layers, StatesAt.INPUT))
    print(f"pooled states of 500 samples: {500 / options.batch * pooling_s:.1f} s")
    ours_s = sum(_layer(vla, batches, layer, options) for layer in layers)
    passes = len(layers) * options.directions * len(batches)
    plain_s = seconds(lambda: plain_pass(vla, batches[0], layers[0], None, vla))
    print(f"restarted: {ours_s:.1f} s; plain: {passes} passes of {1e3 * plain_s:.1f} ms = {passes * plain_s:.0f} s")
    print(f"speed-up {passes * plain_s / ours_s:.1f}x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "7b"), default="tiny")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--directions", type=int, default=128)
    parser.add_argument("--compared", type=int, default=6, help="directions that the plain way is run for")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def _layer(vla: OpenVLA, batches: list[ProbeBatch], layer: int, options: argparse.Namespace) -> float:
    """Seconds that one layer takes; prints how its results compare."""
    width = vla.config.text.hidden_size
    columns = torch.randn(width, options.directions, generator=torch.Generator().manual_seed(4))
    basis = torch.linalg.qr(columns)[0].to(options.device)
    _compare(vla, batches[0], layer, basis[:, : options.compared])

    def sensitivities() -> Tensor:
        tail = Tail(vla, layer, StatesAt.INPUT)
        found = [tail.divergences(entering_state(vla, one, tail.entry), one, basis, EPSILON) for one in batches]
        return torch.cat(found).mean(0)

    took = seconds(sensitivities, repeats=1)
    print(f"layer {layer}: sensitivities in {took:.2f} s")
    return took


def _compare(vla: OpenVLA, batch: ProbeBatch, layer: int, basis: Tensor) -> None:
    states = entering_state(vla, batch, layer)

    def restarted(dtype: torch.dtype) -> Tensor:
        return Tail(vla, layer, StatesAt.INPUT, dtype).divergences(states, batch, basis, EPSILON).mean(0)

    exact = _plainly(vla, batch, layer, basis, precise_above(vla, layer))
    print(f"layer {layer}: plain in fp64       {shown(exact)}")
    found = {"restarted in fp64": restarted(torch.float64), "restarted in fp32": restarted(torch.float32)}
    found[f"plain in {str(batch.pixel_values.dtype)[6:]}"] = _plainly(vla, batch, layer, basis, vla)
    for name, values in found.items():
        error = float(((values - exact) / exact).abs().max())
        print(f"layer {layer}: {name:19} {shown(values)}, off by {error:.1e} at most")


def shown(values: Tensor) -> str:
    return " ".join(f"{value:.3e}" for value in values.tolist())


def precise_above(vla: OpenVLA, layer: int) -> OpenVLA:
    """A model whose layers from `layer` on, norm and head are in fp64; the rest is shared."""
    copied = deepcopy(vla, {id(one): one for one in vla.parameters()})
    model = copied.language_model
    for number in range(layer, len(model.model.layers)):
        model.model.layers[number] = deepcopy(model.model.layers[number]).double()
    model.model.norm, model.lm_head = deepcopy(model.model.norm).double(), deepcopy(model.lm_head).double()
    return copied


def _plainly(vla: OpenVLA, batch: ProbeBatch, layer: int, basis: Tensor, above: OpenVLA) -> Tensor:
    before = plain_pass(vla, batch, layer, None, above)
    found = [divergence(before, plain_pass(vla, batch, layer, column, above)) for column in basis.T]
    return torch.stack(found, dim=1).mean(0)


@torch.no_grad()
def plain_pass(vla: OpenVLA, batch: ProbeBatch, layer: int, column: Tensor | None, above: OpenVLA) -> Tensor:
    """One pass through the whole model: all places, logits of all of them, the last of each row [B, V].

    The step is added to the states that enter `layer`; from there on the pass is that of `above`.
    """
    hidden = vla.embed(batch.pixel_values, batch.input_ids)
    places = torch.arange(hidden.shape[1], device=hidden.device)
    turn = rotary(places, vla.config.text, hidden.dtype)
    for number, one in enumerate(above.language_model.model.layers):
        if number == layer:
            dtype = next(one.parameters()).dtype
            hidden, turn = hidden.to(dtype), rotary(places, vla.config.text, dtype)
            if column is not None:
                mask = instruction_mask(batch, vla.config.n_patches)
                hidden = hidden + (EPSILON * column * mask[..., None]).to(dtype)
        hidden = one(hidden, turn)
    logits = above.language_model.logits(hidden)
    return logits[torch.arange(len(logits), device=logits.device), batch.lengths + vla.config.n_patches - 1]


def seconds(work: Callable[[], Tensor], repeats: int = 5) -> float:
    """The mean over repeats, after one that does not count (unless there is but one)."""
    if repeats > 1:
        work()
    _wait()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    _wait()
    return (time.perf_counter() - started) / repeats


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
