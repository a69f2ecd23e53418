"""The training set of a configuration: made where it is the simulator's own, indexed by one rank, opened by all."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.importing import imported
from vlatrain.data.mixture import Mixture
from vlatrain.data.names import mixture_parts
from vlatrain.data.rlds import Frame, RLDSDataset, training_split
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.data.statistics import DatasetStatistics
from vlatrain.errors import TrainerError
from vlatrain.sim.tabletop import SUITES, demonstrations

log = logging.getLogger(__name__)

EPISODES = 300
SHARDS = 2
SEED = 0
TELL_EVERY_S = 5.0


class TrainingSet(Protocol):
    """Frames to train on, their statistics by data set, and every instruction once."""

    @property
    def name(self) -> str: ...
    @property
    def statistics(self) -> dict[str, DatasetStatistics]: ...
    @property
    def instructions(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Frame: ...


def open_training_set(
    config: FinetuneConfig, *, is_first: bool = True, wait_for_all: Callable[[], None] = lambda: None
) -> TrainingSet:
    """The frames that published fine-tuning would train on (`training_split`), of one data set or of a mixture.

    The first rank makes what is missing (demonstrations, imports of other formats, indices) while the others wait.
    Raises TrainerError for a set that is missing, broken, or of an unknown convention.
    """
    parts = mixture_parts(config.dataset_name)
    if is_first:
        for part in parts:
            ensure_demonstrations(config.data_root_dir, part.name)
            _open(config, part.name)
    wait_for_all()
    sets = [_open(config, part.name) for part in parts]
    return sets[0] if len(sets) == 1 else Mixture(sets, [part.weight for part in parts])


def _open(config: FinetuneConfig, name: str) -> RLDSDataset:
    return open_part(
        config.data_root_dir / name,
        training_split,
        config.cache_dir,
        wrist=config.use_wrist_image,
        states=config.use_proprio or config.foretells_proprio,
        chunk=config.action_chunk,
    )


def open_part(
    folder: Path,
    split_of: Callable[[Path], str],
    cache_dir: Path,
    *,
    wrist: bool = False,
    states: bool = False,
    chunk: int = 1,
) -> RLDSDataset:
    """One part of the data set `folder`, imported first where it is of another format; `split_of` names the part."""
    name = folder.name
    rlds = imported(folder, cache_dir, told(f"importing {name}: {{}} episodes"))
    walked = told(f"indexing {name}: {{:.1%}}")
    return RLDSDataset(
        rlds,
        split=split_of(rlds),
        cache_dir=cache_dir,
        wrist=wrist,
        states=states,
        chunk=chunk,
        progress=lambda done_bytes, total_bytes: walked(done_bytes / total_bytes),
    )


def ensure_demonstrations(data_root_dir: Path, name: str, *, episodes: int = EPISODES) -> Path:
    """Writes the demonstrations of a tabletop suite where they are missing, once; the folder of the data set.

    Other data sets are left alone. To be called by one rank; two runs at a time do not harm each other.
    """
    folder = data_root_dir / name
    if name in SUITES and not folder.exists():
        log.info("recording %d demonstrations of %s", episodes, name)
        try:
            write_rlds(data_root_dir, name, demonstrations(name, episodes, SEED), SHARDS)
        except TrainerError:
            if not folder.exists():  # another run may have written it meanwhile
                raise
    return folder


def told(text: str, clock: Callable[[], float] = time.monotonic) -> Callable[[float], None]:
    """Logs `text` with a number in it, every few seconds while something takes long."""
    last = clock()

    def tell(number: float) -> None:
        nonlocal last
        if (now := clock()) - last >= TELL_EVERY_S:
            last = now
            log.info(text.format(number))

    return tell
