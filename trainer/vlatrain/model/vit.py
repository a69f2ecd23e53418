"""The two vision transformers, with the parameter names of timm and OpenVLA."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.model.config import TowerConfig
from vlatrain.model.recomputing import run_block

LAYER_NORM_EPS = 1e-6


class PatchEmbedding(nn.Module):
    """Pixels [B, 3, H, W] to patches [B, N, width], row by row.

    With `is_product` the convolution, whose windows do not overlap, is made as the product that it is.
    """

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.is_product = False
        self.proj = nn.Conv2d(3, config.width, kernel_size=config.patch_size, stride=config.patch_size)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.is_product:
            return F.linear(cut(pixels, self.proj.kernel_size[0]), self.proj.weight.flatten(1), self.proj.bias)
        patches: Tensor = self.proj(pixels)
        return patches.flatten(2).transpose(1, 2)


def cut(pixels: Tensor, size: int) -> Tensor:
    """Squares of `size` pixels a side, row by row: [B, 3, H, W] to [B, N, 3 * size * size]. A rest is left out."""
    batch, channels, rows, columns = pixels.shape[0], pixels.shape[1], pixels.shape[2] // size, pixels.shape[3] // size
    whole = pixels[:, :, : rows * size, : columns * size].reshape(batch, channels, rows, size, columns, size)
    return whole.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * size * size)


class Halving(nn.Module):
    """Half as many rows and columns of finer features: a 3x3 convolution, normalised over channels at each place."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1)
        self.norm = nn.LayerNorm(outputs, eps=LAYER_NORM_EPS)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / 2, W / 2], both with channels last in memory."""
        places = self.norm(self.conv(features).permute(0, 2, 3, 1))
        return F.gelu(places).permute(0, 3, 1, 2)


class ConvolutionalStem(nn.Module):
    """Pixels [B, 3, H, W] to patches [B, N, width], row by row, by convolutions that halve until a patch is one place.

    From random weights it learns fine structure and where it is sooner than one product of whole patches does
    ("Early convolutions help transformers see better", Xiao et al. 2021).
    """

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        widths = [3, *config.stem_widths]
        self.halvings = nn.Sequential(*(Halving(*pair) for pair in pairwise(widths)))
        self.proj = nn.Conv2d(widths[-1], config.width, kernel_size=1)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.halvings(pixels.contiguous(memory_format=torch.channels_last))
        patches: Tensor = self.proj(features)
        return patches.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention over all tokens, queries, keys and values from one product."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return projected


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class LayerScale(nn.Module):
    """A learned factor a channel. OpenVLA saves as `scale_factor` what timm calls `gamma`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.scale_factor


class Block(nn.Module):
    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attn = Attention(config.width, config.heads)
        self.ls1: nn.Module = LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(config.width, config.mlp_width)
        self.ls2: nn.Module = LayerScale(config.width) if config.layer_scale else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        out: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return out


class AttentionPool(nn.Module):
    """SigLIP's pooling head. OpenVLA never runs it; its weights travel with the checkpoint."""

    def __init__(self, width: int, mlp_width: int) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(width, mlp_width)


class VisionTransformer(nn.Module):
    """Patch features of one tower: the second-to-last block's output, no final norm, prefix tokens dropped.

    The last block, `norm` and `attn_pool` exist for the checkpoint's sake only and are never run. With `recomputed`
    the blocks keep nothing but their input for the backward pass.
    """

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.n_prefix_tokens = config.class_tokens + config.register_tokens
        self.recomputed = False
        has_stem = bool(config.stem_widths)
        self.patch_embed: PatchEmbedding | ConvolutionalStem
        self.patch_embed = ConvolutionalStem(config) if has_stem else PatchEmbedding(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.n_patches, config.width))
        self.cls_token = _prefix(config.class_tokens, config.width)
        self.reg_token = _prefix(config.register_tokens, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attn_pool = AttentionPool(config.width, config.mlp_width) if config.attention_pool else None

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, N, width]."""
        tokens: Tensor = self.patch_embed(pixels) + self.pos_embed
        prefix = [token.expand(len(tokens), -1, -1) for token in (self.cls_token, self.reg_token) if token is not None]
        tokens = torch.cat([*prefix, tokens], dim=1) if prefix else tokens
        for block in self.blocks[:-1]:
            tokens = run_block(block, self.recomputed, tokens)
        return tokens[:, self.n_prefix_tokens :]


def _prefix(count: int, width: int) -> nn.Parameter | None:
    return nn.Parameter(torch.zeros(1, count, width)) if count else None
