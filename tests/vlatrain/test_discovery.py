"""Adapters found to go on from: what is chosen, what is told, and that nothing is resumed unasked."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import placed, run_name
from vlatrain.configuration.resolve import Resolved, resolve
from vlatrain.discovery import candidates, newest, what_is_gone_on_from, what_is_ignored, why_chosen
from vlatrain.errors import ConfigError

SAVED_AT = time.mktime((2026, 11, 22, 10, 0, 0, 0, 0, -1))
YAML = "vla_path: tabletop_base\ndataset_name: tabletop_new\nlora_rank: 4\n"


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    return placed(
        FinetuneConfig(project_root=tmp_path, vla_path="tabletop_base", dataset_name="tabletop_new", lora_rank=4),
        tmp_path,
    )


def adapter(folder: Path, saved_at: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4}))
    (folder / "adapter_model.safetensors").touch()
    os.utime(folder / "adapter_model.safetensors", (saved_at, saved_at))
    return folder


def named(config: FinetuneConfig, **settings: Any) -> Path:
    return config.adapter_tmp_dir / run_name(replace(config, **settings))


def test_adapters_of_any_batch_and_of_later_runs_of_the_name_count(config: FinetuneConfig) -> None:
    first = adapter(named(config, batch_size=32), SAVED_AT)
    second = adapter(named(config, batch_size=2, grad_accumulation_steps=4) / "step-000500", SAVED_AT + 60)
    third = adapter(Path(f"{named(config)}--2") / "step-000010", SAVED_AT + 120)
    assert [one.path for one in candidates(config)] == [first, second, third]
    assert newest(config).path == third


@pytest.mark.parametrize(
    "other",
    [
        {"dataset_name": "tabletop_base"},
        {"lora_rank": 8},
        {"learning_rate": 1e-3},
        {"run_id_note": "method"},
        {"image_aug": False},
        {"vla_path": "openvla/openvla-7b"},
    ],
    ids=str,
)
def test_adapters_of_another_configuration_do_not(config: FinetuneConfig, other: dict[str, Any]) -> None:
    adapter(named(config, **other), SAVED_AT)
    assert candidates(config) == []


def test_the_newest_is_the_one_saved_last_whatever_its_step(config: FinetuneConfig) -> None:
    adapter(named(config) / "step-000900", SAVED_AT)
    last = adapter(named(config) / "step-000100", SAVED_AT + 1)
    assert newest(config).path == last


def test_the_choice_is_told_with_step_date_and_the_others(config: FinetuneConfig) -> None:
    paths = [adapter(named(config) / f"step-{step:06d}", SAVED_AT + step) for step in range(60, 540, 60)]
    first, *others = why_chosen(config)
    assert first.startswith(f"goes on from {paths[-1]} (step 480, 2026-11-22 10:08): the newest of 8 adapters")
    assert others[0] == f"also there: {paths[-2]} (step 420, 2026-11-22 10:07)"
    assert (len(others), others[-1]) == (6, "and 2 older ones")


def test_one_without_a_step_says_so(config: FinetuneConfig) -> None:
    path = adapter(named(config), SAVED_AT)
    assert why_chosen(config) == (
        f"goes on from {path} (step unknown, 2026-11-22 10:00): the only adapter of this name in "
        f"{config.adapter_tmp_dir}",
    )


def test_a_step_that_the_user_told_is_told_where_the_adapter_tells_none(config: FinetuneConfig) -> None:
    path = adapter(named(config), SAVED_AT)
    asked = replace(config, resume_adapter_dir=path, resume_global_step=1500)
    assert what_is_gone_on_from(asked) == (f"goes on from {path} (step 1500, 2026-11-22 10:00)",)


def test_where_there_is_none_that_is_said_with_the_way_out(config: FinetuneConfig) -> None:
    with pytest.raises(ConfigError, match=r"--resume newest: no adapter named tabletop_base\+.*--from-scratch"):
        newest(config)
    assert what_is_ignored(config) == ()


def resolved(root: Path, *, environ: dict[str, str] | None = None, more: str = "", **overrides: str) -> Resolved:
    file = root / "c.yaml"
    file.write_text(f"{YAML}project_root: {root}\n{more}")
    return resolve(file, overrides, environ or {})


def test_a_run_from_scratch_tells_in_one_line_what_it_ignores(config: FinetuneConfig, tmp_path: Path) -> None:
    assert resolved(tmp_path).notes == ()
    path = adapter(named(config), SAVED_AT)
    found = resolved(tmp_path)
    assert found.config.resume_adapter_dir is None
    assert found.notes == (
        f"starts from scratch; an adapter of this name is there, the last {path} (step unknown, 2026-11-22 10:00): "
        "--resume newest goes on from it",
    )


@pytest.mark.parametrize("more", ["resume_adapter_dir: null\n", "resume_full_model_dir: whole\n"])
def test_where_the_configuration_says_so_itself_nothing_is_told(
    more: str, config: FinetuneConfig, tmp_path: Path
) -> None:
    adapter(named(config), SAVED_AT)
    assert resolved(tmp_path, more=more).notes == ()


@pytest.mark.parametrize("how", ["environment", "command line", "file"])
def test_newest_is_found_where_it_is_asked_for(how: str, config: FinetuneConfig, tmp_path: Path) -> None:
    path = adapter(named(config) / "step-000010", SAVED_AT)
    if how == "environment":
        found = resolved(tmp_path, environ={"RESUME_ADAPTER": "newest"})
    elif how == "command line":
        found = resolved(tmp_path, resume_adapter_dir="newest")
    else:
        found = resolved(tmp_path, more="resume_adapter_dir: newest\n")
    assert found.config.resume_adapter_dir == path
    assert found.notes[0].startswith(f"goes on from {path} (step 10")
    assert found.origins["resume_adapter_dir"].endswith(" (newest)")


def test_a_named_folder_is_told_as_the_adapter_that_it_stands_for(config: FinetuneConfig, tmp_path: Path) -> None:
    adapter(named(config) / "step-000010", SAVED_AT)
    path = adapter(named(config) / "step-000020", SAVED_AT + 60)
    found = resolved(tmp_path, environ={"RESUME_ADAPTER": str(named(config))})
    assert found.notes == (f"goes on from {path} (step 20, 2026-11-22 10:01)",)


@pytest.mark.parametrize("asked", ["newest", "folder"])
@pytest.mark.parametrize(("max_steps", "is_over"), [("21", False), ("20", True), ("10", True)])
def test_a_run_without_a_step_left_is_told_so_before_it_begins(
    config: FinetuneConfig, tmp_path: Path, asked: str, max_steps: str, is_over: bool
) -> None:
    path = adapter(named(config) / "step-000020", SAVED_AT)
    folder = asked if asked == "newest" else str(path)
    notes = resolved(tmp_path, resume_adapter_dir=folder, max_steps=max_steps).notes
    told = f"nothing is left to train: step 20 is reached, and max_steps of the whole run is {max_steps}"
    assert (notes[-1] == told) is is_over


def test_from_scratch_beats_the_environment(config: FinetuneConfig, tmp_path: Path) -> None:
    adapter(named(config), SAVED_AT)
    variables = {"RESUME_ADAPTER": "newest", "RESUME_STEP": "500"}
    found = resolved(tmp_path, environ=variables, resume_adapter_dir="null", resume_full_model_dir="null")
    assert (found.config.resume_adapter_dir, found.config.resume_global_step) == (None, 0)
    assert found.notes == ()
