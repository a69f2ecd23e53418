"""Says whether a checkpoint can be gone on from: every file as it was saved, weights and optimizer readable."""

from collections.abc import Iterator
from pathlib import Path

from vlatrain.adapters import WEIGHTS_FILE
from vlatrain.configuration.places import weight_files
from vlatrain.configuration.preflight import check_safetensors
from vlatrain.errors import TrainerError
from vlatrain.train.checkpoint import checkpoints, read_manifest, verify
from vlatrain.train.contents import TRAINER_STATE
from vlatrain.train.restoring import read_trainer_state


def to_verify(named: Path) -> list[Path]:
    """The checkpoint itself, or all in a folder of checkpoints. Raises TrainerError where there is none."""
    if (named / TRAINER_STATE).is_file() or read_manifest(named) is not None:
        return [named]
    found = [path for _, path in checkpoints(named)]
    if not found:
        raise TrainerError(f"{named}: no checkpoint is there")
    return found


def findings(checkpoint: Path) -> Iterator[str]:
    """What is in order, a line each. Raises TrainerError for the first thing that is not; runs no code from files."""
    manifest = read_manifest(checkpoint)
    verify(checkpoint)
    if manifest is None:
        yield "no manifest, as in checkpoints of the original script: sizes and checksums cannot be checked"
    else:
        sizes = [int(file["size_bytes"]) for file in manifest["files"].values()]
        yield f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB: all of the size and sha256 that were saved"
    for weights in _weights(checkpoint):
        check_safetensors(weights)
    saved = read_trainer_state(checkpoint / TRAINER_STATE)
    step = saved.get("global_step")
    if manifest is not None and step != manifest.get("step"):
        raise TrainerError(f"{checkpoint}: step {step} in {TRAINER_STATE}, {manifest.get('step')} in the manifest")
    optimizer = saved.get("optimizer")
    if not isinstance(optimizer, dict) or "state" not in optimizer:
        raise TrainerError(f"{checkpoint / TRAINER_STATE}: holds no optimizer; a resumed run would start it anew")
    yield f"step {step}, optimizer state of {len(optimizer['state'])} tensors"


def _weights(checkpoint: Path) -> list[Path]:
    adapter = checkpoint / WEIGHTS_FILE
    found = [adapter] if adapter.is_file() else weight_files(checkpoint)
    if not found:
        raise TrainerError(f"{checkpoint}: holds no weights (*.safetensors)")
    return found
