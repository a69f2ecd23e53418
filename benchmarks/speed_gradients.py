"""Gradients of gate|up and of queries|keys|values at the sizes of a step: as the compiler makes them, and as ours."""

from collections.abc import Callable

import torch
from speed_place import DEVICE, DTYPE, IS_TRIAL, model_config, release
from speed_profile import BYTES, seconds
from speed_steps import TEXT_TOKENS, Setting
from timed_parts import Note
from torch import Tensor
from torch.nn import functional as F
from vlatrain.model.joint_gradients import of_gated, of_turned
from vlatrain.model.turned import turn
from vlatrain.planning.sizes import BlockSize, sizes_of

RANK = 32
Way = Callable[[], Tensor]


def gradients(setting: Setting, note: Note) -> None:
    """Both ways of each, the bytes that it takes at least, and how far the results are from each other."""
    release()
    decoder, heads = sizes_of(model_config(), TEXT_TOKENS).decoder, model_config().text.num_attention_heads
    for name, (compiled, ours, least) in {
        "gate|up": _gated(setting, decoder),
        "queries|keys|values": _turned(setting, decoder, heads),
    }.items():
        expected = compiled().float()
        error = float((ours().float() - expected).norm() / expected.norm())
        times = [seconds(one) for one in (compiled, ours)]
        note({"who": name, "least_bytes": least, "compiled_s": times[0], "ours_s": times[1], "error": error})
        ratio, rate = times[0] / times[1], least / times[1] / 1e9
        print(f"{name:>20}: {1e6 * times[0]:.0f} us compiled, {1e6 * times[1]:.0f} by ours, {ratio:.2f} times as fast")
        print(f"{'':>20}  {least / 1e6:.0f} MB at least, {rate:.0f} GB/s by ours; off by {error:.1e}", flush=True)


def _gated(setting: Setting, decoder: BlockSize) -> tuple[Way, Way, int]:
    rows, width = setting.batch * decoder.places, decoder.inner
    one, other, joined = (_made(rows, columns) for columns in (width + RANK, width, 2 * width))

    def compiled() -> Tensor:
        gate, up = joined.chunk(2, dim=-1)
        gradient = one[:, :width] + other
        share = torch.sigmoid(gate)
        return torch.cat((gradient * up * share * (1 + gate * (1 - share)), gradient * F.silu(gate)), dim=-1)

    return _compiled(compiled), lambda: of_gated(one, other, joined), 6 * rows * width * BYTES


def _turned(setting: Setting, decoder: BlockSize, heads: int) -> tuple[Way, Way, int]:
    rows, width, size = setting.batch * decoder.places, decoder.width, decoder.width // heads
    pieces = [_made(rows, width).view(setting.batch, -1, heads, size).transpose(1, 2) for _ in range(3)]
    cos, sin = (_made(decoder.places, size)[None, None] for _ in range(2))

    def compiled() -> Tensor:
        wholes = [turn(one, cos, -sin) for one in pieces[:2]]
        return torch.cat([one.transpose(1, 2).flatten(2) for one in (*wholes, pieces[2])], dim=-1)

    # halves of a sine are equal in a rotation, so that turning back is turning the other way
    sin[..., size // 2 :] = sin[..., : size // 2]
    return _compiled(compiled), lambda: of_turned(pieces[0], pieces[1], pieces[2], cos, sin), 6 * rows * width * BYTES


def _compiled(way: Way) -> Way:
    made: Way = way if IS_TRIAL else torch.compile(way)
    return made


def _made(*shape: int) -> Tensor:
    return torch.randn(shape, device=DEVICE, dtype=DTYPE)
