"""Adapters of the decoder by their input: queries, keys and values; gate and up; the two others by themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vlatrain.fast.shadows import Shadows
from vlatrain.model.fp8 import Fp8Linear, base_of, lay_together
from vlatrain.model.fp8_mlp import Fp8Mlp
from vlatrain.model.fused_lora import FusedLoraLinear, weight_of
from vlatrain.model.grouped_lora import Group
from vlatrain.model.llama import DecoderLayer
from vlatrain.model.openvla import OpenVLA


@torch.no_grad()
def group(vla: OpenVLA, shadows: Shadows, *, has_joint_gradients: bool, has_fp8_kernels: bool = False) -> None:
    """Makes the decoder's layers train by groups, in place; the last one, which computes few places, stays as it is.

    Frozen weights move into the groups' tensors, one layer after the other, and stay views of them. With
    `has_joint_gradients` those of queries, keys and values, and of gate and up, are put together by `joint_gradients`.
    With `has_fp8_kernels` MLPs over weights in fp8 are `Fp8Mlp`.
    """
    for layer in list(vla.language_model.model.layers)[:-1]:
        assert isinstance(layer, DecoderLayer)
        attention, mlp = layer.self_attn, layer.mlp
        attention.grouped = grouped([attention.q_proj, attention.k_proj, attention.v_proj], shadows)
        mlp.grouped = gate_and_up = grouped([mlp.gate_proj, mlp.up_proj], shadows)
        for single in (attention.o_proj, mlp.down_proj):
            if isinstance(single, FusedLoraLinear):
                single.grouped = grouped([single], shadows)
        attention.turns_jointly = has_joint_gradients and attention.grouped is not None
        attention.copies_values = _is_fp8(attention.q_proj)
        down = mlp.down_proj
        if gate_and_up is None or not isinstance(down, FusedLoraLinear) or not isinstance(down.grouped, Group):
            continue
        if not _is_fp8(down):
            mlp.finished = down.grouped.of_gated if has_joint_gradients else None
        elif has_fp8_kernels:
            mlp.whole = Fp8Mlp(gate_and_up, down.grouped)


def grouped(linears: Sequence[nn.Module], shadows: Shadows) -> Group | None:
    """One group of linears without bias; None where one of them has no adapter, and they go on by themselves."""
    members = [one for one in linears if isinstance(one, FusedLoraLinear)]
    if len(members) < len(linears):
        return None
    downs = shadows.joint([one.masters[0] for one in members])
    outs = tuple(len(one.masters[1]) for one in members)
    weights, ups = _fp8_weights(members, downs) if _is_fp8(members[0]) else _wide_weights(members, downs)
    _let_follow(members, ups, shadows)
    adapters = tuple(one for member in members for one in member.shadows or ())
    return Group(weights, ups, downs, adapters, outs, members[0].scale)


def _wide_weights(members: Sequence[FusedLoraLinear], downs: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """[W, s U] and s U in it. Each W becomes a view: rows of the group's, without the further columns."""
    ranks, n_in = downs.shape
    frozen = [weight_of(one.base_layer) for one in members]
    wide = frozen[0].new_zeros(sum(len(one) for one in frozen), n_in + ranks)
    for place, weight in zip(torch.split(wide, [len(one) for one in frozen]), frozen, strict=True):
        place[:, :n_in] = weight
        weight.data = place[:, :n_in]
    return (wide,), wide[:, n_in:]


def _fp8_weights(members: Sequence[FusedLoraLinear], downs: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """W, scales and transpose of all, of which each linear's own are views, and s U by itself."""
    bases = [base_of(one) for one in members]
    weight, scales = lay_together(bases)
    keeps = bases[0].transposed.numel() > 0
    transposed = torch.cat([one.transposed for one in bases], dim=1) if keeps else bases[0].transposed
    outs = [one.out_features for one in bases]
    if keeps:
        for base, columns in zip(bases, torch.split(transposed, outs, dim=1), strict=True):
            base.transposed = columns
    return (weight, scales, transposed), downs.new_zeros(sum(outs), len(downs))


def _let_follow(members: Sequence[FusedLoraLinear], ups: Tensor, shadows: Shadows) -> None:
    """Each U on its own block of rows and columns."""
    first_row = first_column = 0
    for one in members:
        _, up = one.masters
        rows, columns = up.shape
        place = ups[first_row : first_row + rows, first_column : first_column + columns]
        shadows.also(place, up, one.scale)
        first_row, first_column = first_row + rows, first_column + columns


def _is_fp8(member: nn.Module) -> bool:
    return isinstance(member, FusedLoraLinear) and isinstance(member.base_layer, Fp8Linear)
