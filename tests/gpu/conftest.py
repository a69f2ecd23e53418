"""Checks that need a CUDA device: `make gpu-check`, or

PYTHONPATH=supervisor:trainer:tui python3 -m pytest -m gpu tests/gpu
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gpu_models import INSTRUCTIONS, small_model
from training_runs import Workshop
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.word_tokenizer import build_word_tokenizer
from vlatrain.sim.episode import Episode

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, when the first product is made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is of the GPU, and skipped where there are not as many as a test's `gpus` fixture wants."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """fp32 means fp32, and each test gives its memory back."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    yield
    gc.collect()
    torch.cuda.empty_cache()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as `base` and 42 frames as `datasets/libero_made`."""
    folder = tmp_path_factory.mktemp("project")
    save_base(small_model(), folder / "base")
    build_word_tokenizer(INSTRUCTIONS).save(str(folder / "base" / "tokenizer.json"))
    write_rlds(folder / "datasets", "libero_made", (_episode(*one) for one in enumerate((12, 10, 9, 11))), 1)
    return folder


def _episode(number: int, frames: int) -> Episode:
    rng = np.random.default_rng(number)
    return Episode(
        task=f"task {number}",
        instruction=f"Put the {'small ' * (number % 3)}block in the bowl",
        images=rng.integers(0, 256, (frames, 24, 32, 3), dtype=np.uint8),
        actions=rng.uniform(-1, 1, (frames, 7)).astype(np.float32),
    )


@pytest.fixture
def workshop(project: Path, tmp_path: Path) -> Iterator[Workshop]:
    """Where training runs are made; their processes end with the test."""
    made = Workshop(project / "base", project / "datasets", tmp_path)
    yield made
    made.end()
