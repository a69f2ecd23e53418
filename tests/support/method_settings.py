"""A small setting of the method for the tiny base."""

from pathlib import Path
from typing import Any


def method_settings(folder: Path, **values: Any) -> dict[str, Any]:
    return {
        "icms_artifact_dir": str(folder),
        "icsm_layer_ids": "-2,-1",
        "icsm_states": "input",
        "icsm_rank": 8,
        "hsw_layer_ids": "-2,-1",
        "probe_dataset_name": "libero_made",
        "probe_batch_size": 3,
        "thermostat_warmup_steps": 2,
        "thermostat_update_interval": 2,
        "thermostat_k_beta": 5.0,
        "device": "cpu",
        **values,
    }
