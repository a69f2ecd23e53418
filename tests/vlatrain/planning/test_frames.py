"""Frames that stay on the card: counted where the data set is here, without a trace, and told where it is not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.resident import ResidentBatches
from vlatrain.data.training_set import open_training_set
from vlatrain.distributed import Ranks
from vlatrain.errors import ConfigError
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.planning.answer import answer
from vlatrain.planning.cards import CARDS
from vlatrain.planning.frames import frames_of
from vlatrain.planning.plan import Plan, plan, remedies
from vlatrain.planning.sizes import sizes_of
from vlatrain.train.batching import open_batches

MakeSet = Callable[..., Path]
KEPT = FinetuneConfig(keep_frames_on_device=True)


def config_of(project: Path, name: str) -> FinetuneConfig:
    return FinetuneConfig(
        dataset_name=name, data_root_dir=project / "sets", cache_dir=project / "cache", keep_frames_on_device=True
    )


def planned(config: FinetuneConfig, frames: int, model: OpenVLAConfig | None = None) -> Plan:
    return plan(config, sizes_of(model or OpenVLAConfig()), CARDS["4090"], 1, frames=frames)


def told_bytes(made: Plan) -> int:
    return sum(part.size_bytes for part in made.account.parts if part.name.endswith("frames on the card"))


@pytest.mark.parametrize("name", ["libero_a", "libero_a,libero_b:2"])
def test_as_many_are_counted_as_training_opens_and_nothing_is_written(
    name: str, make_set: MakeSet, tmp_path: Path
) -> None:
    make_set(*[2] * 20, name="libero_a")
    make_set(3, 4, name="libero_b")
    config = config_of(tmp_path, name)
    before = sorted(tmp_path.rglob("*"))
    counted = frames_of(config)
    assert sorted(tmp_path.rglob("*")) == before
    assert counted == len(open_training_set(config))
    assert frames_of(config) == counted, "from the index that training has kept"


def test_of_a_set_that_is_not_here_as_rlds_none_are_known(make_set: MakeSet, tmp_path: Path) -> None:
    make_set(3, 4, name="libero_a")
    assert frames_of(config_of(tmp_path, "libero_a,libero_absent")) is None
    (tmp_path / "sets" / "libero_other").mkdir()
    (tmp_path / "sets" / "libero_other" / "task_demo.hdf5").touch()
    assert frames_of(config_of(tmp_path, "libero_other")) is None


def test_they_take_the_bytes_that_training_keeps(shared_project: Path, tiny_config: OpenVLAConfig) -> None:
    config = FinetuneConfig(
        dataset_name="libero_made", data_root_dir=shared_project / "datasets", keep_frames_on_device=True
    )
    dataset, codec = open_training_set(config), Codec.from_folder(shared_project / "base")
    kept = open_batches(config, dataset, codec, Ranks(), torch.device("cpu"))
    assert isinstance(kept, ResidentBatches)
    tensors = [one for one in kept.whole if isinstance(one, torch.Tensor)]
    sizes = sizes_of(tiny_config, text_tokens=kept.whole.input_ids.shape[1])
    made = plan(config, sizes, CARDS["4090"], 1, frames=len(dataset))
    assert told_bytes(made) == sum(one.untyped_storage().nbytes() for one in tensors)


def test_both_pictures_and_the_hand_s_state_are_counted() -> None:
    one = told_bytes(planned(KEPT, 1000))
    two = told_bytes(planned(KEPT, 1000, OpenVLAConfig(pictures=2)))
    assert two - one == 1000 * 3 * 224**2
    told = FinetuneConfig(keep_frames_on_device=True, proprio_loss_weight=1.0)
    assert told_bytes(planned(told, 1000)) - one == 1000 * 8 * 4


def test_frames_that_are_loaded_in_each_step_take_nothing_and_are_proposed_where_they_do_not_fit() -> None:
    assert told_bytes(planned(FinetuneConfig(), 100_000)) == 0
    config = FinetuneConfig(batch_size=1, lora_rank=8, keep_frames_on_device=True)
    failing = planned(config, 200_000)
    assert not failing.fits
    found = [one.changes for one in remedies(failing, sizes_of(OpenVLAConfig()), most=100)]
    assert ("--keep_frames_on_device false",) in found
    assert all("--keep_frames_on_device false" in changes for changes in found)


def test_the_answer_counts_them_or_says_that_it_does_not(make_set: MakeSet, tmp_path: Path, tiny_folder: Path) -> None:
    make_set(3, 4, name="libero_a", shards=1)
    words = ["--vla_path", str(tiny_folder), "--card", "4090", "--keep_frames_on_device", "true", "--project_root"]
    words += [str(tmp_path), "--data_root_dir", "sets", "--dataset_name"]
    told, _ = answer([*words, "libero_a"], {"HOME": str(tmp_path)}, tmp_path)
    assert " 7 frames on the card\n" in told
    told, _ = answer([*words, "libero_b"], {"HOME": str(tmp_path)}, tmp_path)
    assert "(libero_b is not here as RLDS: its frames, which would stay on the card, are not counted)\n" in told


def test_without_the_base_model_its_inputs_and_chunks_are_the_configuration_s(tmp_path: Path) -> None:
    def total(*words: str) -> int:
        asked = ["--vla_path", "openvla/openvla-7b", "--card", "H200", "--json", *words]
        found: int = json.loads(answer(asked, {"HOME": str(tmp_path)}, tmp_path)[0])["total_bytes"]
        return found

    suite = ("--eval_task_suite_name", "libero_spatial")
    plain = total()
    for more in (["--use_wrist_image", "true"], ["--use_proprio", "true"], ["--action_chunk", "8"]):
        assert total(*more, *suite) > plain


def test_a_base_model_that_was_made_for_other_inputs_is_refused_as_a_run_refuses_it(
    tiny_folder: Path, tmp_path: Path
) -> None:
    words = ["--vla_path", str(tiny_folder), "--card", "4090", "--action_chunk", "8"]
    with pytest.raises(ConfigError, match=r"--action_chunk 8: the base model .* was made for 1; set it so"):
        answer(words, {"HOME": str(tmp_path)}, tmp_path)
