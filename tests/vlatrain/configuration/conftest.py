"""A configuration with all that it names."""

from pathlib import Path

import pytest
from model_files import write_model_config, write_safetensors
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import placed


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    """One whose files are all there."""
    (tmp_path / "base").mkdir()
    write_model_config(tmp_path / "base")
    write_safetensors(tmp_path / "base" / "model.safetensors")
    (tmp_path / "datasets" / "libero_spatial_no_noops").mkdir(parents=True)
    (tmp_path / "datasets" / "libero_spatial_no_noops" / "libero-train.tfrecord-00000-of-00001").touch()
    return placed(
        FinetuneConfig(project_root=tmp_path, vla_path="base", dataset_name="libero_spatial_no_noops"), tmp_path
    )
