"""A model of a few thousand parameters that is the same code as the published one, and small data sets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fake_simulator
import numpy as np
import pytest
import torch
from training_runs import Workshop
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.word_tokenizer import build_word_tokenizer, padding_id
from vlatrain.sim.episode import Episode

INSTRUCTIONS = ["put the red block in the green bowl", "push the button"]


@pytest.fixture(scope="session")
def tiny_config() -> OpenVLAConfig:
    pad = padding_id(build_word_tokenizer(INSTRUCTIONS))
    dinov2 = TowerConfig(
        image_size=28,
        patch_size=14,
        width=16,
        depth=3,
        heads=2,
        mlp_width=32,
        class_tokens=1,
        register_tokens=4,
        layer_scale=True,
    )
    siglip = TowerConfig(image_size=28, patch_size=14, width=24, depth=4, heads=2, mlp_width=40, attention_pool=True)
    text = TextConfig(
        vocab_size=pad + 8,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=pad,
    )
    return OpenVLAConfig(featurizer=dinov2, fused_featurizer=siglip, text=text, pad_to_multiple_of=8)


@pytest.fixture(scope="session")
def stemmed_config(tiny_config: OpenVLAConfig) -> OpenVLAConfig:
    """As `tiny_config`, but that patches are of 4 pixels and embedded by two convolutions."""
    towers = (tiny_config.featurizer, tiny_config.fused_featurizer)
    first, second = (replace(tower, patch_size=4, stem_widths=(6, 8)) for tower in towers)
    return replace(tiny_config, featurizer=first, fused_featurizer=second)


@pytest.fixture(scope="session")
def make_tiny_model(tiny_config: OpenVLAConfig) -> Callable[[int], OpenVLA]:
    """Builds the model of a seed; embeddings are made large so that tokens and pictures show in the answers."""

    def make(seed: int) -> OpenVLA:
        model = OpenVLA(tiny_config)
        initialise(model, seed)
        with torch.no_grad():
            model.language_model.model.embed_tokens.weight.mul_(50)
        return model.eval()

    return make


@pytest.fixture
def tiny_model(make_tiny_model: Callable[[int], OpenVLA]) -> OpenVLA:
    return make_tiny_model(1)


@pytest.fixture
def tiny_folder(tiny_model: OpenVLA, tmp_path: Path) -> Path:
    """A model folder as it is published: configuration, weights and tokenizer."""
    folder = tmp_path / "tiny"
    save_base(tiny_model, folder)
    build_word_tokenizer(INSTRUCTIONS).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def make_episode() -> Callable[[int, int], Episode]:
    """An episode of a number and a length, its pictures and actions drawn from the number."""

    def make(number: int, frames: int) -> Episode:
        rng = np.random.default_rng(number)
        return Episode(
            task=f"task {number}",
            instruction=f"Put the block {number % 3} in the bowl",
            images=rng.integers(0, 256, (frames, 24, 32, 3), dtype=np.uint8),
            actions=rng.uniform(-1, 1, (frames, 7)).astype(np.float32),
        )

    return make


@pytest.fixture
def make_set(make_episode: Callable[[int, int], Episode], tmp_path: Path) -> Callable[..., Path]:
    """Writes an RLDS set of episodes of the given lengths; the folder."""

    def make(*lengths: int, name: str = "libero_made", shards: int = 2) -> Path:
        return write_rlds(tmp_path / "sets", name, (make_episode(*one) for one in enumerate(lengths)), shards)

    return make


@pytest.fixture(scope="session")
def shared_project(
    make_tiny_model: Callable[[int], OpenVLA],
    make_episode: Callable[[int, int], Episode],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the tiny model as `base` and four episodes, 42 frames, as `datasets/libero_made`."""
    project = tmp_path_factory.mktemp("shared")
    save_base(make_tiny_model(1), project / "base")
    build_word_tokenizer(INSTRUCTIONS).save(str(project / "base" / "tokenizer.json"))
    episodes = (make_episode(number, frames) for number, frames in enumerate((12, 10, 9, 11)))
    write_rlds(project / "datasets", "libero_made", episodes, 1)
    return project


@pytest.fixture
def workshop(shared_project: Path, tmp_path: Path) -> Iterator[Workshop]:
    """Where training runs are made; their processes end with the test."""
    made = Workshop(shared_project / "base", shared_project / "datasets", tmp_path)
    yield made
    made.end()


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LIBERO's Python is the fake simulator; files made here make it misbehave."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv("FAKE_FAULTS", str(folder))
    monkeypatch.setenv("VLAD_SIM_PYTHON", str(fake_simulator.fake_python(tmp_path)))
    return folder
