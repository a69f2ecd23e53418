"""Model folders, read strictly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import INDEX_FILE, SINGLE_FILE, load_base, save_base
from vlatrain.model.openvla import OpenVLA

SCALE = "vision_backbone.featurizer.blocks.0.ls1.scale_factor"
HEAD = "language_model.lm_head.weight"


def assert_same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_model_comes_back_as_it_was_written(tiny_model: OpenVLA, tiny_folder: Path) -> None:
    loaded = load_base(tiny_folder)
    assert loaded.config == tiny_model.config
    assert loaded.name_or_path == str(tiny_folder)
    assert_same_weights(loaded.state_dict(), tiny_model.state_dict())


def test_shards_and_their_index_come_back_as_one_model(tiny_model: OpenVLA, tmp_path: Path) -> None:
    save_base(tiny_model, tmp_path, shard_bytes=20_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    assert not (tmp_path / SINGLE_FILE).exists()
    index = json.loads((tmp_path / INDEX_FILE).read_text())
    assert index["weight_map"].keys() == tiny_model.state_dict().keys()
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tiny_model.state_dict().values())
    assert_same_weights(load_base(tmp_path).state_dict(), tiny_model.state_dict())


def test_a_later_save_in_the_other_form_is_the_one_that_is_read(
    make_tiny_model: Callable[[int], OpenVLA], tmp_path: Path
) -> None:
    for seed, shard_bytes in ((1, 10**9), (2, 20_000), (3, 10**9)):
        save_base(make_tiny_model(seed), tmp_path, shard_bytes=shard_bytes)
        assert_same_weights(load_base(tmp_path).state_dict(), make_tiny_model(seed).state_dict())


def test_loading_tells_the_bytes_done_and_in_all(tiny_model: OpenVLA, tmp_path: Path) -> None:
    save_base(tiny_model, tmp_path, shard_bytes=20_000)
    told: list[tuple[int, int]] = []
    load_base(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert len(told) == len(tiny_model.state_dict())
    assert told[-1] == (total := sum(tensor.nbytes for tensor in tiny_model.state_dict().values()), total)


def test_weights_take_the_dtype_asked_for(tiny_folder: Path) -> None:
    assert {tensor.dtype for tensor in load_base(tiny_folder, dtype=torch.bfloat16).state_dict().values()} == {
        torch.bfloat16
    }


def test_missing_unexpected_and_misshapen_tensors_are_all_named(tiny_folder: Path) -> None:
    weights = load_file(tiny_folder / SINGLE_FILE)
    weights["vision_backbone.featurizer.blocks.0.ls1.gamma"] = weights.pop(SCALE)
    weights[HEAD] = weights[HEAD][:-1].clone()
    save_file(weights, tiny_folder / SINGLE_FILE)
    with pytest.raises(TrainerError) as refusal:
        load_base(tiny_folder)
    said = str(refusal.value)
    assert str(tiny_folder) in said
    assert f"1 missing ({SCALE})" in said
    assert "1 unexpected (vision_backbone.featurizer.blocks.0.ls1.gamma)" in said
    assert f"{HEAD} is {tuple(weights[HEAD].shape)}, not" in said


def test_of_many_missing_tensors_the_first_few_are_named(tiny_folder: Path) -> None:
    save_file({}, tiny_folder / SINGLE_FILE)
    with pytest.raises(TrainerError, match=r"\d+ missing \([^,]+, [^,]+, [^,]+, …\)"):
        load_base(tiny_folder)


def test_a_cut_file_is_refused_by_name(tiny_folder: Path) -> None:
    path = tiny_folder / SINGLE_FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainerError, match=r"model\.safetensors has \d+ bytes instead of \d+: it is damaged"):
        load_base(tiny_folder)


def test_a_shard_that_is_not_there_is_named(tiny_model: OpenVLA, tmp_path: Path) -> None:
    save_base(tiny_model, tmp_path, shard_bytes=20_000)
    absent = sorted(tmp_path.glob("model-*"))[0]
    absent.unlink()
    with pytest.raises(TrainerError, match=absent.name):
        load_base(tmp_path)


def test_a_folder_without_weights_says_what_it_should_hold(tiny_folder: Path) -> None:
    (tiny_folder / SINGLE_FILE).unlink()
    with pytest.raises(TrainerError, match=r"neither model\.safetensors nor model\.safetensors\.index\.json"):
        load_base(tiny_folder)


def test_a_loaded_model_does_not_change_with_its_file(tiny_model: OpenVLA, tiny_folder: Path) -> None:
    loaded, path = load_base(tiny_folder), tiny_folder / SINGLE_FILE
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same_weights(loaded.state_dict(), tiny_model.state_dict())
