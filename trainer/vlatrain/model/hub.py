"""Where the base model lies: a folder, or a repository of the Hugging Face hub brought into its local cache."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from vlatrain.configuration.places import HUB_ID
from vlatrain.errors import TrainerError

log = logging.getLogger(__name__)

WANTED_FILES = ["*.json", "*.safetensors", "*.py", "*.model"]
"""The model's own code is never run here; a merged model carries it along for programs that do."""
TELL_EVERY_S = 10.0


def find_base(named: str, download: Callable[[str], str] | None = None, *, option: str = "--vla_path") -> Path:
    """The folder that is `named`, downloaded first if it is a hub id.

    HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and HF_TOKEN mean what they always do; what a broken download
    has brought is not fetched again. Raises TrainerError naming `option` where there is neither folder nor repository.
    """
    if (folder := Path(named).expanduser()).is_dir():
        return folder
    if not HUB_ID.fullmatch(named):
        raise TrainerError(f"{option} {named}: no such folder")
    try:
        return Path((download or _download)(named))
    except Exception as error:  # the hub's HTTP client, and with it what it raises, changes between its versions
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TrainerError(f"{option} {named}: no such folder, and the hub did not give it: {reason}") from error


def _download(repository: str) -> str:
    from huggingface_hub import snapshot_download  # half a second to import, and most runs have a folder
    from huggingface_hub.constants import HF_HUB_CACHE

    with size_logged(repository, Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "blobs"):
        return snapshot_download(repository, allow_patterns=WANTED_FILES)


@contextmanager
def size_logged(repository: str, folder: Path, every_s: float = TELL_EVERY_S) -> Iterator[None]:
    """Logs how much has come, where no terminal shows the hub's own bars."""
    if sys.stderr.isatty():
        yield
        return
    is_over = Event()
    teller = Thread(target=_tell, args=(repository, folder, every_s, is_over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        is_over.set()
        teller.join()


def _tell(repository: str, folder: Path, every_s: float, is_over: Event) -> None:
    while not is_over.wait(every_s):
        log.info("downloading %s: %.2f GB so far", repository, _bytes_in(folder) / 1e9)


def _bytes_in(folder: Path) -> int:
    try:
        return sum(path.lstat().st_size for path in folder.iterdir())
    except OSError:  # not there yet, or a part just got its name
        return 0
