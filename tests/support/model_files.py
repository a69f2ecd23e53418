"""Files that look like those of a model, as far as names, sizes and headers tell."""

import json
from pathlib import Path


def write_safetensors(path: Path, size_bytes: int = 8, cut: int = 0) -> None:
    header = json.dumps({"t": {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(size_bytes)
    path.write_bytes(content[: len(content) - cut])


def write_model_config(folder: Path, **inputs: int) -> None:
    """What a base tells of itself."""
    (folder / "config.json").write_text(json.dumps({"model_type": "openvla", **inputs}))
