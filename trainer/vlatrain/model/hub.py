"""Where the base model lies: a folder, or a repository of the Hugging Face hub brought into its local cache."""

import re
from collections.abc import Callable
from pathlib import Path

from vlatrain.errors import TrainerError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
WANTED_FILES = ["*.json", "*.safetensors"]


def find_base(vla_path: str, download: Callable[[str], str] | None = None) -> Path:
    """The folder of `vla_path`, downloaded first if it is a hub id; HF_HOME and HF_ENDPOINT mean what they always do.

    Raises TrainerError naming vla_path where there is neither folder nor repository.
    """
    if (folder := Path(vla_path).expanduser()).is_dir():
        return folder
    if not HUB_ID.fullmatch(vla_path):
        raise TrainerError(f"--vla_path {vla_path}: no such folder")
    try:
        return Path((download or _download)(vla_path))
    except (OSError, ValueError) as error:
        raise TrainerError(
            f"--vla_path {vla_path}: no such folder, and the hub did not give it: {str(error).splitlines()[0]}"
        ) from error


def _download(repository: str) -> str:
    from huggingface_hub import snapshot_download  # half a second to import, and most runs have a folder

    return snapshot_download(repository, allow_patterns=WANTED_FILES)
