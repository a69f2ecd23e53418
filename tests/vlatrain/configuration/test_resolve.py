"""Precedence, origins, warnings, and the user's own configuration."""

import json
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
from vlad.records.shipped import shipped_configs
from vlad.records.spec import ConfigValue, Kind, RunSpec
from vlatrain.configuration.file import read_entries
from vlatrain.configuration.finetune import FinetuneConfig, LrScheduler
from vlatrain.configuration.printed import as_json, printed
from vlatrain.configuration.resolve import resolve
from vlatrain.errors import ConfigError

USER = Path(__file__).parents[1] / "materials" / "user_method.yaml"
SHIPPED = sorted(shipped_configs().glob("*.yaml"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def test_the_user_s_configuration_is_taken_unchanged() -> None:
    resolved = resolve(USER, {}, {})
    config = resolved.config
    assert resolved.warnings == ()
    assert resolved.nproc == 1
    assert (config.learning_rate, config.min_learning_rate, config.hsw_eps) == (2e-4, 5e-5, 1e-8)
    assert (config.lr_scheduler, config.hsw_layer_ids) == (LrScheduler.COSINE, (-2, -1))
    assert (config.batch_size, config.grad_accumulation_steps, config.resume_global_step) == (2, 4, 500)
    assert config.prompt_template == "In: {instruction}\nOut:"
    assert config.data_root_dir == Path("/data3/embodied/datasets/modified_libero_rlds")
    assert config.resume_full_model_dir is None


def test_nine_absolute_paths_stay_where_they_are_under_any_project_root(tmp_path: Path) -> None:
    config = resolve(USER, {"project_root": str(tmp_path)}, {}).config
    absolute = {name: entry.text for name, entry in read_entries(USER).items() if entry.text.startswith("/data3/")}
    assert len(absolute) == 10
    assert {name: str(getattr(config, name)) for name in absolute} == absolute


def test_the_shipped_method_has_the_user_s_values_but_no_server_s_paths() -> None:
    ours = resolve(shipped_configs() / "method_icsm_hsw_thermostat.yaml", {}, {}).config
    theirs = resolve(USER, {}, {}).config
    of_a_server = {"vla_path", "resume_adapter_dir", "resume_global_step", "wandb_entity"}
    different = {one.name for one in fields(ours) if getattr(ours, one.name) != getattr(theirs, one.name)}
    assert {name for name in different - of_a_server if not isinstance(getattr(theirs, name), Path)} == set()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_resolves_without_warning_of_overruled_values(path: Path) -> None:
    assert resolve(path, {}, {}).warnings == ()
    assert not [entry.place for entry in read_entries(path).values() if entry.text.startswith(("/", "~"))]


def test_the_command_line_beats_the_environment_beats_the_profile_beats_the_file_beats_the_default(file: Path) -> None:
    file.write_text("server_profile: v100_8gpu\nbatch_size: 11\nsave_steps: 11\n")
    name = "batch_size"
    found = [
        resolve(file, {name: "13"}, {"BATCH_SIZE": "12"}),
        resolve(file, {}, {"BATCH_SIZE": "12"}),
        resolve(file, {}, {}),
        resolve(file, {"server_profile": "null"}, {}),
        resolve(None, {}, {}),
    ]
    assert [(one.config.batch_size, one.origins[name]) for one in found] == [
        (13, "command line"),
        (12, "environment BATCH_SIZE"),
        (1, "profile v100_8gpu"),
        (11, f"{file}:2"),
        (16, "default"),
    ]


def test_every_field_has_an_origin() -> None:
    assert set(resolve(USER, {}, {}).origins) == {one.name for one in fields(FinetuneConfig)}


def test_a_profile_that_overrules_an_explicit_value_is_warned_about(file: Path) -> None:
    file.write_text("server_profile: v100_8gpu\nbatch_size: 4\ngrad_accumulation_steps: 8\nprobe_batch_size: 9\n")
    resolved = resolve(file, {"probe_batch_size": "7"}, {})
    assert resolved.warnings == (f"profile v100_8gpu sets batch_size to 1, over 4 of {file}:2",)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("BATCH_SIZE", "3", "batch_size", 3),
        ("GRAD_ACCUM", "5", "grad_accumulation_steps", 5),
        ("PROBE_BATCH_SIZE", "6", "probe_batch_size", 6),
        ("THERMO_UPDATE", "70", "thermostat_update_interval", 70),
        ("THERMO_WARMUP", "80", "thermostat_warmup_steps", 80),
        ("SERVER_PROFILE", "v100_8gpu", "server_profile", "v100_8gpu"),
        ("RESUME_ADAPTER", "/adapters/a", "resume_adapter_dir", Path("/adapters/a")),
        ("RESUME_STEP", "900", "resume_global_step", 900),
        ("VLAD_PROJECT_ROOT", "/project", "project_root", Path("/project")),
    ],
)
def test_variables_mean_what_they_meant_to_the_original_launcher(
    variable: str, text: str, field: str, value: object
) -> None:
    resolved = resolve(USER, {}, {variable: text})
    assert getattr(resolved.config, field) == value
    assert resolved.origins[field] == f"environment {variable}"


def test_an_empty_variable_says_nothing() -> None:
    assert resolve(USER, {}, {"BATCH_SIZE": ""}).origins["batch_size"] == "profile 4090_1gpu"


def test_the_profile_of_the_environment_replaces_the_file_s() -> None:
    resolved = resolve(USER, {}, {"SERVER_PROFILE": "v100_8gpu"})
    assert (resolved.nproc, resolved.nproc_origin) == (8, "profile v100_8gpu")
    assert resolved.config.thermostat_update_interval == 200
    assert len(resolved.warnings) == 6


def test_a_step_goes_with_the_adapter_it_was_written_for() -> None:
    assert resolve(USER, {}, {"RESUME_ADAPTER": "/other"}).config.resume_global_step == 0
    assert resolve(USER, {"resume_adapter_dir": "/other"}, {"RESUME_STEP": "900"}).config.resume_global_step == 0
    assert resolve(USER, {}, {"RESUME_ADAPTER": "/other", "RESUME_STEP": "900"}).config.resume_global_step == 900
    assert resolve(USER, {"resume_global_step": "7"}, {}).config.resume_global_step == 7


def test_a_refusal_says_where_the_values_came_from(file: Path) -> None:
    file.write_text("enable_periodic_eval: true\neval_every_steps: 1500\n")
    with pytest.raises(ConfigError) as refusal:
        resolve(file, {"save_steps": "1000"}, {})
    assert str(refusal.value) == (
        "--eval_every_steps 1500 is not a multiple of --save_steps 1000: take 1000 or 2000 "
        f"[eval_every_steps: {file}:2, save_steps: command line]"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batchsize: 2\n", ":1: unknown field 'batchsize': did you mean batch_size?"),
        ("batch_size: two\n", ":1: batch_size 'two': it must be a whole number"),
        ("batch_size: [1, 2]\n", ":1: batch_size takes one value, not the list [1, 2]"),
        ("batch_size: null\n", ":1: batch_size 'null': it must be a whole number"),
        ("a: 1\n", ":1: unknown field 'a'"),
    ],
    ids=str,
)
def test_a_wrong_line_of_the_file_is_refused_by_its_number(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        resolve(file, {}, {})
    assert str(refusal.value).startswith(f"{file}{told}")


def test_a_wrong_variable_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="environment BATCH_SIZE: batch_size 'two': it must be a whole number"):
        resolve(USER, {}, {"BATCH_SIZE": "two"})


def test_a_printed_configuration_resolves_to_itself_whatever_changed_meanwhile(file: Path, tmp_path: Path) -> None:
    file.write_text("server_profile: 4090_2gpu\nlearning_rate: 2e-4\nhsw_layer_ids: [-2, -1]\nrun_id_note: 'null '\n")
    first = resolve(file, {"project_root": str(tmp_path), "batch_size": "3"}, {})
    saved = tmp_path / "resolved.json"
    saved.write_text(json.dumps(as_json(printed(first, None, 0, {}))))
    file.unlink()
    again = resolve(saved, {}, {"BATCH_SIZE": "9"})
    assert (again.config, again.origins, again.nproc) == (first.config, first.origins, 2)


def test_a_run_s_spec_resolves_to_what_was_asked_for_when_it_started(tmp_path: Path) -> None:
    first = resolve(USER, {"max_steps": "77"}, {})
    told = as_json(printed(first, None, 0, {}))
    spec = RunSpec(
        run_id="20261122-0931-x-7f3a",
        name="x",
        kind=Kind.TRAIN,
        argv=(),
        cwd="/",
        nproc=told["nproc"],
        config=msgspec.convert(told["config"], dict[str, ConfigValue]),
        created_at=0.0,
        created_by="somebody",
        host="here",
    )
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    again = resolve(tmp_path / "spec.json", {}, {"SERVER_PROFILE": "v100_8gpu", "RESUME_STEP": "3"})
    assert (again.config, again.origins, again.nproc) == (first.config, first.origins, 1)


def test_the_command_line_changes_a_printed_configuration(tmp_path: Path) -> None:
    saved = tmp_path / "resolved.json"
    saved.write_text(json.dumps(as_json(printed(resolve(USER, {}, {}), None, 0, {}))))
    again = resolve(saved, {"resume_adapter_dir": "/adapters/step-000900"}, {})
    assert again.config.resume_adapter_dir == Path("/adapters/step-000900")
    assert again.config.resume_global_step == 0
    assert again.origins["resume_adapter_dir"] == "command line"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"config": 3}', '{"config": {"batch_size": 3}}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    saved = tmp_path / "resolved.json"
    saved.write_text(text)
    with pytest.raises(ConfigError, match=r"resolved\.json is no resolved configuration"):
        resolve(saved, {}, {})
