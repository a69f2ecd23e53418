"""The training set of a configuration: made where it is the simulator's own, indexed by one rank, opened by all."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from vlatrain.config import FinetuneConfig
from vlatrain.data.rlds import RLDSDataset, training_split
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.data.walk import Progress
from vlatrain.errors import TrainerError
from vlatrain.sim.episode import Episode
from vlatrain.sim.tabletop import SUITES, demonstrations

log = logging.getLogger(__name__)

EPISODES = 300
SHARDS = 2
SEED = 0
TELL_EVERY_S = 5.0


def open_training_set(
    config: FinetuneConfig, *, is_first: bool = True, wait_for_all: Callable[[], None] = lambda: None
) -> RLDSDataset:
    """The frames that published fine-tuning would train on (`training_split`).

    The first rank makes missing demonstrations and the index while the others wait. Raises TrainerError for a set that
    is missing, broken, or of an unknown convention.
    """
    if is_first:
        ensure_demonstrations(config)
        _open(config)
    wait_for_all()
    return _open(config)


def _open(config: FinetuneConfig) -> RLDSDataset:
    folder = config.data_root_dir / config.dataset_name
    cache = config.cache_dir
    return RLDSDataset(folder, split=training_split(folder), cache_dir=cache, progress=told(config.dataset_name))


def ensure_demonstrations(config: FinetuneConfig, *, episodes: int = EPISODES) -> Path:
    """Writes the demonstrations of a tabletop suite where they are missing, once; the folder of the data set.

    Other data sets are left alone. To be called by one rank; two runs at a time do not harm each other.
    """
    root, name = config.data_root_dir, config.dataset_name
    if name in SUITES and not (root / name).exists():
        log.info("recording %d demonstrations of %s", episodes, name)
        try:
            write_rlds(root, name, demonstrations(name, episodes, SEED), SHARDS)
        except TrainerError:
            if not (root / name).exists():
                raise
    return root / name


def told(name: str, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress that is logged every few seconds while a large set is indexed for the first time."""
    last = clock()

    def tell(done_bytes: int, total_bytes: int) -> None:
        nonlocal last
        if (now := clock()) - last >= TELL_EVERY_S:
            last = now
            log.info("indexing %s: %.1f of %.1f GB", name, done_bytes / 1e9, total_bytes / 1e9)

    return tell


def counted(episodes: Iterator[Episode], tell: Callable[[int], None]) -> Iterator[Episode]:
    """The same episodes; `tell` hears how many there have been."""
    for number, episode in enumerate(episodes, start=1):
        tell(number)
        yield episode
