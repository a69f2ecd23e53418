"""Gradients of gate|up and of queries|keys|values at the sizes of a step: as the compiler makes them, and as ours.

And what lies between products in fp8: see `speed_rounding`.
"""

from collections.abc import Iterator
from functools import partial
from itertools import starmap

import torch
from speed_place import IS_TRIAL, model_config, release
from speed_profile import BYTES, seconds
from speed_rounding import Way, made, roundings
from speed_steps import TEXT_TOKENS, Setting
from timed_parts import Note
from torch import Tensor
from torch.nn import functional as F
from vlatrain.model.joint_gradients import of_gated, of_turned
from vlatrain.model.turned import turn
from vlatrain.planning.sizes import BlockSize, sizes_of

RANK = 32
TILES = ((1, 1024, 4), (1, 2048, 4), (1, 1024, 8), (2, 1024, 4), (1, 512, 4))
"""Rows, columns and warps of a program that puts gate and up together."""


def gradients(setting: Setting, note: Note) -> None:
    """Each by the compiler, by ours, and by other tiles of ours; the bytes that it takes at least; what they differ."""
    release()
    decoder, heads = sizes_of(model_config(), TEXT_TOKENS).decoder, model_config().text.num_attention_heads
    for name, (compiled, ours, least) in {
        "gate|up": _gated(setting, decoder),
        "queries|keys|values": _turned(setting, decoder, heads),
        **roundings(setting.batch * decoder.places, decoder.inner),
    }.items():
        expected, compiled_s = compiled().float(), seconds(compiled)
        print(f"{name}: {1e6 * compiled_s:.0f} us compiled; {least / 1e6:.0f} MB at least", flush=True)
        for told, way in ours.items():
            error, ours_s = float((way().float() - expected).norm() / expected.norm()), seconds(way)
            note({"who": name, "how": told, "least_bytes": least, "compiled_s": compiled_s, "ours_s": ours_s})
            ratio, rate = compiled_s / ours_s, least / ours_s / 1e9
            print(
                f"{1e6 * ours_s:9.0f} us {told}: {ratio:.2f} times as fast, {rate:.0f} GB/s, off by {error:.1e}",
                flush=True,
            )


def _gated(setting: Setting, decoder: BlockSize) -> tuple[Way, dict[str, Way], int]:
    rows, width = setting.batch * decoder.places, decoder.inner
    both, downs, joined = made(rows, width + RANK), made(RANK, width), made(rows, 2 * width)

    def compiled() -> Tensor:
        gate, up = joined.chunk(2, dim=-1)
        gradient = both[:, :width] + both[:, width:] @ downs
        share = torch.sigmoid(gate)
        return torch.cat((gradient * up * share * (1 + gate * (1 - share)), gradient * F.silu(gate)), dim=-1)

    ours: dict[str, Way] = {"as it is": lambda: of_gated(both, downs, joined)}
    return _compiled(compiled), ours | dict(_tiles(both, downs, joined)), 5 * rows * width * BYTES


def _tiles(both: Tensor, downs: Tensor, joined: Tensor) -> Iterator[tuple[str, Way]]:
    if IS_TRIAL:
        return
    from vlatrain.model import joint_kernels
    from vlatrain.model.joint_kernels import Tile

    for tile in starmap(Tile, TILES):
        yield str(tile), partial(joint_kernels.of_gated, both, downs, joined, tile)


def _turned(setting: Setting, decoder: BlockSize, heads: int) -> tuple[Way, dict[str, Way], int]:
    rows, width, size = setting.batch * decoder.places, decoder.width, decoder.width // heads
    pieces = [made(rows, width).view(setting.batch, -1, heads, size).transpose(1, 2) for _ in range(3)]
    cos, sin = (made(decoder.places, size)[None, None] for _ in range(2))

    def compiled() -> Tensor:
        wholes = [turn(one, cos, -sin) for one in pieces[:2]]
        return torch.cat([one.transpose(1, 2).flatten(2) for one in (*wholes, pieces[2])], dim=-1)

    # halves of a sine are equal in a rotation, so that turning back is turning the other way
    sin[..., size // 2 :] = sin[..., : size // 2]
    ours: dict[str, Way] = {"as it is": lambda: of_turned(pieces[0], pieces[1], pieces[2], cos, sin)}
    return _compiled(compiled), ours, 6 * rows * width * BYTES


def _compiled(way: Way) -> Way:
    compiled: Way = way if IS_TRIAL else torch.compile(way)
    return compiled
