"""Writes a whole model anew in half precision, without its optimizer: `half_precision.py CHECKPOINT OUT`."""

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

NOT_COPIED = {"manifest.json", "train_state.json"}


def main() -> None:
    checkpoint, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True)
    tensors = {name: tensor.half() for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    for path in checkpoint.glob("*.json"):
        if path.name not in NOT_COPIED:
            shutil.copy(path, out)


if __name__ == "__main__":
    main()
