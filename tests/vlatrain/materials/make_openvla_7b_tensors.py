"""Prints the tensors of the published OpenVLA-7B as timm and transformers name and shape them: the oracle of our model.

    python tests/vlatrain/materials/make_openvla_7b_tensors.py > tests/vlatrain/materials/openvla_7b_tensors.txt

Needs timm and transformers, and no weights: everything is built without memory. What is ours here is what the published
class adds to them: the prefixes, `scale_factor` for timm's `gamma`, the projector, 64 more rows of vocabulary, bf16.
A line is a name, in which {0-31} stands for each of these numbers, the dtype in safetensors' words, and the shape.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

DINOV2 = "vit_large_patch14_reg4_dinov2.lvd142m"
SIGLIP = "vit_so400m_patch14_siglip_224"
TEXT_WIDTH, VOCABULARY, DTYPE = 4096, 32064, "BF16"
Shapes = dict[str, tuple[int, ...]]


def tower(timm_name: str) -> Shapes:
    import timm
    import torch

    with torch.device("meta"):
        model = timm.create_model(timm_name, pretrained=False, num_classes=0, img_size=224)
    return {name.replace(".gamma", ".scale_factor"): tuple(one.shape) for name, one in model.state_dict().items()}


def projector(vision_width: int) -> Shapes:
    widths = [vision_width, 4 * vision_width, TEXT_WIDTH, TEXT_WIDTH]
    pairs = enumerate(pairwise(widths), 1)
    return {
        name: shape
        for number, (inputs, outputs) in pairs
        for name, shape in ((f"fc{number}.weight", (outputs, inputs)), (f"fc{number}.bias", (outputs,)))
    }


def decoder() -> Shapes:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, tie_word_embeddings=False))
    return {name: tuple(one.shape) for name, one in model.state_dict().items()}


def whole() -> Shapes:
    first, second = tower(DINOV2), tower(SIGLIP)
    width = first["norm.weight"][0] + second["norm.weight"][0]
    parts = {
        "vision_backbone.featurizer": first,
        "vision_backbone.fused_featurizer": second,
        "projector": projector(width),
        "language_model": decoder(),
    }
    return {f"{prefix}.{name}": shape for prefix, part in parts.items() for name, shape in part.items()}


def compact(shapes: Shapes) -> Iterator[str]:
    """One line for all blocks that have the same tensor."""
    numbers: dict[tuple[str, tuple[int, ...]], list[int]] = defaultdict(list)
    for name, shape in shapes.items():
        found = re.search(r"\.(\d+)\.", name)
        numbers[re.sub(r"\.\d+\.", ".{}.", name, count=1), shape] += [int(found[1])] if found else []
    for (name, shape), found_ones in numbers.items():
        assert found_ones == list(range(len(found_ones)))
        blocks = f"{{0-{len(found_ones) - 1}}}"
        yield f"{name.replace('{}', blocks)} {DTYPE} {'x'.join(map(str, shape))}"


if __name__ == "__main__":
    print("\n".join(compact(whole())))
