"""How many frames training would decode, counted where the data set is here already."""

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.importing import rlds_folder
from vlatrain.data.mixture import repeats
from vlatrain.data.names import mixture_parts
from vlatrain.data.rlds import frames_in, training_split


def frames_of(config: FinetuneConfig) -> int | None:
    """Those of an epoch, repeated ones of a mixture included; writes nothing.

    None where a data set is not here as RLDS: absent, to be made, or to be imported. Raises TrainerError for a broken
    one.
    """
    parts = mixture_parts(config.dataset_name)
    folders = [rlds_folder(config.data_root_dir / part.name, config.cache_dir) for part in parts]
    if not all(folder.is_dir() for folder in folders):
        return None
    counts = [frames_in(folder, training_split(folder), config.cache_dir) for folder in folders]
    times = repeats([part.weight for part in parts])
    return sum(count * often for count, often in zip(counts, times, strict=True))
