"""The committed list of the tensors of the published model."""

import re
from math import prod
from pathlib import Path

LIST = Path(__file__).parent.parent / "vlatrain" / "materials" / "openvla_7b_tensors.txt"
RANGE = re.compile(r"\{0-(\d+)\}")


def published_tensors() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name to dtype, in safetensors' words, and shape."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for line in LIST.read_text().splitlines():
        pattern, dtype, shape = line.split()
        sizes = tuple(map(int, shape.split("x")))
        last = RANGE.search(pattern)
        names = [RANGE.sub(str(number), pattern) for number in range(int(last[1]) + 1)] if last else [pattern]
        found |= dict.fromkeys(names, (dtype, sizes))
    return found


def parameters() -> int:
    return sum(prod(shape) for _, shape in published_tensors().values())
