"""Server profiles: those that ship, and how they are found and refused."""

from pathlib import Path

import pytest
from vlad.records.shipped import shipped_configs
from vlatrain.configuration.profiles import load_profile, profile_folders, read_profile
from vlatrain.configuration.resolve import resolve
from vlatrain.errors import ConfigError

SHIPPED = sorted((shipped_configs() / "profiles").glob("*.yaml"))


def figures(name: str) -> dict[str, str]:
    profile = load_profile(name, [shipped_configs() / "profiles"])
    return {"nproc": str(profile.nproc), **{key: entry.text for key, entry in profile.entries.items()}}


def test_the_profiles_of_the_original_launcher_have_its_figures() -> None:
    assert figures("4090_1gpu") == {
        "nproc": "1",
        "batch_size": "2",
        "grad_accumulation_steps": "4",
        "probe_batch_size": "4",
        "thermostat_update_interval": "50",
        "rlds_frame_parallel_calls": "24",
        "rlds_traj_read_threads": "8",
        "rlds_traj_transform_threads": "8",
    }
    assert figures("v100_8gpu") == {
        "nproc": "8",
        "batch_size": "1",
        "grad_accumulation_steps": "8",
        "probe_batch_size": "4",
        "thermostat_update_interval": "200",
        "rlds_frame_parallel_calls": "16",
        "rlds_traj_read_threads": "2",
        "rlds_traj_transform_threads": "2",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_resolves_and_says_its_processes(path: Path) -> None:
    resolved = resolve(None, {"server_profile": path.stem}, {})
    assert resolved.nproc is not None
    assert path.stem.endswith(("_cpu", f"_{resolved.nproc}gpu"))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_more_cards_of_one_kind_keep_the_samples_of_a_step(count: int) -> None:
    resolved = resolve(None, {"server_profile": f"4090_{count}gpu"}, {})
    config = resolved.config
    assert config.batch_size * config.grad_accumulation_steps * count == 8


def test_a_profile_beside_the_configuration_comes_first(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "4090_1gpu.yaml").write_text("nproc: 3\n")
    config = tmp_path / "x.yaml"
    assert load_profile("4090_1gpu", profile_folders(config, tmp_path)).nproc == 3
    assert load_profile("4090_1gpu", profile_folders(None, tmp_path)).nproc == 1


def test_a_profile_of_the_project_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "configs" / "profiles"
    folder.mkdir(parents=True)
    (folder / "lab.yaml").write_text("nproc: 6\nconfig:\n  batch_size: 5\n")
    resolved = resolve(None, {"server_profile": "lab", "project_root": str(tmp_path)}, {})
    assert (resolved.nproc, resolved.config.batch_size, resolved.origins["batch_size"]) == (6, 5, "profile lab")


def test_a_profile_may_be_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("config:\n  batch_size: 5\n")
    profile = load_profile(str(path), [])
    assert (profile.name, profile.nproc, profile.entries["batch_size"].text) == ("mine", None, "5")


def test_an_unknown_profile_is_refused_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(ConfigError) as refusal:
        resolve(None, {"server_profile": "v100_8gpus"}, {})
    assert str(refusal.value).startswith(
        "--server_profile v100_8gpus: no such profile; did you mean v100_8gpu? there are"
    )
    assert "4090_1gpu" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nproc: many\n", ":1: nproc many: it must be a whole number of at least 1"),
        ("nproc: 0\n", ":1: nproc 0"),
        ("nproc: [1]\n", ":1: nproc"),
        ("batch_size: 2\n", ":1: a profile has the keys nproc and config, not batch_size"),
        ("config: 3\n", ":1: expected lines of the form"),
        ("config:\n  batch_size: 1\n  batch_size: 2\n", ":3: batch_size is given twice"),
        ("config:\n  server_profile: x\n", ":2: server_profile is nothing a server decides"),
        ("", "is empty"),
    ],
    ids=str,
)
def test_a_broken_profile_is_refused_by_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_profile(path, "p")
    assert told in str(refusal.value)


def test_an_unknown_field_in_a_profile_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("nproc: 1\nconfig:\n  batchsize: 2\n")
    with pytest.raises(ConfigError, match=r"p\.yaml:3: unknown field 'batchsize': did you mean batch_size\?"):
        resolve(None, {"server_profile": str(path)}, {})
