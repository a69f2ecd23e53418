"""Adapters merged into their base, against PEFT's own merge, in bounded memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_adapters import HEAD_COPY, nudged, save_as_the_original_script_did
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from vlatrain.adapters import CONFIG_FILE, WEIGHTS_FILE
from vlatrain.errors import TrainerError
from vlatrain.model.checkpoint_files import INDEX_FILE, load_base, save_base
from vlatrain.model.initialise import initialise
from vlatrain.model.lora import add_lora, save_adapter
from vlatrain.model.lora_targets import TargetSet
from vlatrain.model.merging import ORIGIN_FILE, STATISTICS_FILE, Adapter, merge
from vlatrain.model.openvla import OpenVLA, OpenVLAConfig
from vlatrain.tools.cli import main

SHARD_BYTES = 20_000
Make = Callable[[int], OpenVLA]


@pytest.fixture
def base(make_tiny_model: Make, tmp_path: Path) -> Path:
    """A base in shards, with the small files of the published one beside its weights."""
    folder = tmp_path / "base"
    save_base(make_tiny_model(1), folder, shard_bytes=SHARD_BYTES)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"norm_stats": {"bridge": {"action": {}}}, "auto_map": {}}))
    for name in ("tokenizer.json", "tokenizer.model", "modeling_prismatic.py", "generation_config.json"):
        (folder / name).write_text(f"content of {name}")
    return folder


@pytest.fixture
def adapter(make_tiny_model: Make, tmp_path: Path) -> Path:
    """A checkpoint of ours."""
    folder = tmp_path / "run" / "step-000010"
    save_adapter(nudged(add_lora(make_tiny_model(1), rank=4, alpha=2)), folder)
    (folder / STATISTICS_FILE).write_text(json.dumps({"libero_made": {"action": {"q01": [0.0]}}}))
    return folder


def weights_of(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def merged_by_peft(adapted: PeftModel) -> dict[str, Tensor]:
    whole: OpenVLA = adapted.merge_and_unload()
    return whole.state_dict()


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor], **tolerance: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, wanted[name], **tolerance)


@pytest.mark.parametrize("target_set", TargetSet)
def test_the_merged_weights_are_those_of_peft(
    target_set: TargetSet, base: Path, make_tiny_model: Make, tmp_path: Path
) -> None:
    adapted = nudged(add_lora(make_tiny_model(1), rank=4, alpha=2, target_set=target_set))
    save_adapter(adapted, tmp_path / "adapter")
    merge(Adapter.open(tmp_path / "adapter"), base, tmp_path / "out")
    assert_same(weights_of(tmp_path / "out"), merged_by_peft(adapted), rtol=1e-6, atol=1e-7)
    assert_same(load_base(tmp_path / "out").state_dict(), weights_of(tmp_path / "out"), rtol=0, atol=0)


@pytest.mark.parametrize("target_set", TargetSet)
def test_convolutions_of_a_stem_are_adapted_and_merged_as_peft_does(
    target_set: TargetSet, stemmed_config: OpenVLAConfig, tmp_path: Path
) -> None:
    model = OpenVLA(stemmed_config)
    initialise(model, 1)
    save_base(model, tmp_path / "base")
    adapted = nudged(add_lora(model, rank=4, alpha=2, target_set=target_set))
    save_adapter(adapted, tmp_path / "adapter")
    merge(Adapter.open(tmp_path / "adapter"), tmp_path / "base", tmp_path / "out")
    found, before = weights_of(tmp_path / "out"), weights_of(tmp_path / "base")
    assert_same(found, merged_by_peft(adapted), rtol=1e-6, atol=1e-7)
    changed = {name for name in found if "patch_embed" in name and not torch.equal(found[name], before[name])}
    assert len(changed) == (6 if target_set is TargetSet.PUBLISHED else 0)


def test_a_bf16_base_is_rounded_once(make_tiny_model: Make, adapter: Path, tmp_path: Path) -> None:
    exact = PeftModel.from_pretrained(make_tiny_model(1).to(torch.bfloat16).float(), str(adapter))
    save_base(make_tiny_model(1).to(torch.bfloat16), tmp_path / "base")
    merge(Adapter.open(adapter), tmp_path / "base", tmp_path / "out")
    wanted = {name: tensor.to(torch.bfloat16) for name, tensor in merged_by_peft(exact).items()}
    assert_same(weights_of(tmp_path / "out"), wanted, rtol=0.008, atol=1e-6)


def test_an_adapter_of_the_original_script_merges_as_peft_does(
    base: Path, make_tiny_model: Make, tmp_path: Path
) -> None:
    save_as_the_original_script_did(make_tiny_model(1), tmp_path / "original")
    merge(Adapter.open(tmp_path / "original"), base, tmp_path / "out")
    kept = {name: tensor.float() for name, tensor in load_file(tmp_path / "original" / WEIGHTS_FILE).items()}
    head = kept.pop(HEAD_COPY)
    save_file(kept, tmp_path / "original" / WEIGHTS_FILE)
    theirs = merged_by_peft(PeftModel.from_pretrained(make_tiny_model(1), str(tmp_path / "original")))
    found, before = weights_of(tmp_path / "out"), weights_of(base)
    assert_same(found, theirs, rtol=1e-6, atol=1e-7)
    for name in ("language_model.lm_head.weight", "vision_backbone.featurizer.patch_embed.proj.weight"):
        assert not torch.equal(found[name], before[name])
    assert not torch.allclose(found["language_model.lm_head.weight"], head, atol=1e-2)


def test_files_names_shards_and_order_of_bytes_are_the_base_s(base: Path, adapter: Path, tmp_path: Path) -> None:
    merge(Adapter.open(adapter), base, tmp_path / "out")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {path.name for path in base.iterdir()} | {ORIGIN_FILE}
    for path in base.glob("*.safetensors"):
        size = 8 + int.from_bytes(path.read_bytes()[:8], "little")
        assert (tmp_path / "out" / path.name).read_bytes()[:size] == path.read_bytes()[:size]
    for name in (INDEX_FILE, "tokenizer.json", "tokenizer.model", "modeling_prismatic.py", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (base / name).read_bytes()


def test_statistics_stand_where_the_published_class_looks(base: Path, adapter: Path, tmp_path: Path) -> None:
    merge(Adapter.open(adapter), base, tmp_path / "out", adapter / STATISTICS_FILE)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["norm_stats"].keys() == {"bridge", "libero_made"}
    assert {**config, "norm_stats": None} == {**json.loads((base / "config.json").read_text()), "norm_stats": None}
    assert json.loads((tmp_path / "out" / STATISTICS_FILE).read_text()).keys() == {"libero_made"}
    assert OpenVLAConfig.from_json_file(tmp_path / "out" / "config.json").n_action_bins == 256


def other_head(adapter: Path, base: Path, tmp_path: Path) -> None:
    weights = load_file(adapter / WEIGHTS_FILE)
    save_file(weights | {HEAD_COPY: weights_of(base)["language_model.lm_head.weight"] + 1}, adapter / WEIGHTS_FILE)


def stranger(adapter: Path, base: Path, tmp_path: Path) -> None:
    names = {f"base_model.model.stranger.lora_{letter}.weight": torch.zeros(4, 4) for letter in "AB"}
    save_file(load_file(adapter / WEIGHTS_FILE) | names, adapter / WEIGHTS_FILE)


def half_missing(adapter: Path, base: Path, tmp_path: Path) -> None:
    weights = load_file(adapter / WEIGHTS_FILE)
    weights.pop("base_model.model.projector.fc1.lora_B.weight")
    save_file(weights, adapter / WEIGHTS_FILE)


def wider(adapter: Path, base: Path, tmp_path: Path) -> None:
    name = "base_model.model.projector.fc1.lora_B.weight"
    weights = load_file(adapter / WEIGHTS_FILE)
    save_file(weights | {name: torch.zeros(weights[name].shape[0] + 1, 4)}, adapter / WEIGHTS_FILE)


def empty(adapter: Path, base: Path, tmp_path: Path) -> None:
    save_file({}, adapter / WEIGHTS_FILE)


def cut_adapter(adapter: Path, base: Path, tmp_path: Path) -> None:
    (adapter / WEIGHTS_FILE).write_bytes((adapter / WEIGHTS_FILE).read_bytes()[:-1])


def cut_shard(adapter: Path, base: Path, tmp_path: Path) -> None:
    path = min(base.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])


def no_shard(adapter: Path, base: Path, tmp_path: Path) -> None:
    min(base.glob("*.safetensors")).unlink()


def occupied(adapter: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(other_head, "remembers another language_model.lm_head.weight", id="another base"),
        pytest.param(stranger, "adapts stranger.weight, which", id="another model"),
        pytest.param(half_missing, "projector.fc1.lora_B.weight is missing", id="half a pair"),
        pytest.param(wider, "projector.fc1.weight would be", id="another width"),
        pytest.param(empty, "holds no LoRA weights", id="nothing in it"),
        pytest.param(cut_adapter, "adapter_model.safetensors has", id="adapter cut"),
        pytest.param(cut_shard, "model-00001-of-", id="shard cut"),
        pytest.param(no_shard, "names files that are not there: model-00001", id="shard missing"),
        pytest.param(occupied, "there is something already", id="out is taken"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_is_left(
    damage: Callable[[Path, Path, Path], None],
    told: str,
    base: Path,
    adapter: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(adapter, base, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    words = ["merge", "--adapter", str(adapter), "--base", str(base), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told_before_anything_is_written(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlatrain.model.merging.HEADROOM_BYTES", 2**80)
    with pytest.raises(TrainerError, match=r"GB are needed, .* GB are free"):
        merge(Adapter.open(adapter), base, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_merge_that_breaks_off_leaves_nothing(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vlatrain.model.merging.shutil.copyfile", full)
    with pytest.raises(TrainerError, match=r"out: not written: .*No space left"):
        merge(Adapter.open(adapter), base, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "run"]


def test_the_tool_takes_the_last_checkpoint_and_the_base_that_the_adapter_names(
    base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = json.loads((adapter / CONFIG_FILE).read_text())
    (adapter / CONFIG_FILE).write_text(json.dumps(raw | {"base_model_name_or_path": str(base)}))
    out = tmp_path / "new" / "out"
    assert main(["merge", "--adapter", str(adapter.parent), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "(100 %)" in told.err
    assert json.loads((out / ORIGIN_FILE).read_text()) == {"adapter": str(adapter), "base": str(base)}
    assert STATISTICS_FILE in {path.name for path in out.iterdir()}


def test_missing_statistics_and_an_unknown_base_are_told(
    base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (adapter / STATISTICS_FILE).unlink()
    assert main(["merge", "--adapter", str(adapter), "--out", str(tmp_path / "out")]) == 2
    assert "the adapter does not name its base model: --base" in capsys.readouterr().err
    assert main(["merge", "--adapter", str(adapter), "--base", str(base), "--out", str(tmp_path / "out")]) == 0
    assert f"warning: no {STATISTICS_FILE} beside {adapter}" in capsys.readouterr().err


MEASURED = """
import sys
from pathlib import Path
from vlatrain.model import tensor_blocks
from vlatrain.model.merging import Adapter, merge

def told(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))

tensor_blocks.BLOCK_BYTES = 2**20
Path("/proc/self/clear_refs").write_text("5")
before = told("VmRSS:")
merge(Adapter.open(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
print(told("VmHWM:") - before)
"""


def test_memory_is_bounded_by_a_block_not_by_a_tensor_or_the_model(tiny_config: OpenVLAConfig, tmp_path: Path) -> None:
    text = replace(tiny_config.text, hidden_size=1024, intermediate_size=16384, num_hidden_layers=1)
    with torch.device("meta"):
        model = OpenVLA(replace(tiny_config, text=text)).to(torch.bfloat16)
    model.to_empty(device="cpu")
    save_base(model, tmp_path / "base")
    assert (tmp_path / "base" / "model.safetensors").stat().st_size > 100e6
    save_adapter(add_lora(model, rank=2), tmp_path / "adapter")
    words = [str(tmp_path / name) for name in ("adapter", "base", "out")]
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60e6
