"""Which simulator is right, where it is, and what it draws with."""

import os
from pathlib import Path

import fake_simulator
import pytest
from vlatrain.data.jpeg import pass_mark
from vlatrain.errors import TrainerError
from vlatrain.sim.finding import found_libero, render_environment, sim_python
from vlatrain.sim.libero_versions import doubt, refusal
from vlatrain.sim.workers import SimulatorError


@pytest.mark.parametrize("version", ["2.3.7", "3.1.6", "3.3.2"])
def test_versions_that_were_compared_are_taken(version: str) -> None:
    assert refusal(version) is None
    assert doubt(version) is None


@pytest.mark.parametrize("version", ["3.8.0", "3.17.0", "4.0.0"])
def test_versions_that_move_objects_otherwise_are_refused_in_one_line(version: str) -> None:
    told = refusal(version)
    assert told is not None
    assert version in told
    assert "pip install mujoco==2.3.7" in told
    assert "\n" not in told


@pytest.mark.parametrize("version", ["2.3.5", "3.2.0", "3.7.1"])
def test_versions_that_nobody_compared_are_doubted(version: str) -> None:
    assert refusal(version) is None
    assert "never compared" in (doubt(version) or "")


def test_without_a_simulator_the_way_to_get_it_is_told() -> None:
    assert "make libero" in (refusal(None) or "")


@pytest.mark.parametrize(
    ("environ", "local_rank", "device"),
    [
        ({}, 0, "0"),
        ({}, 2, "2"),
        ({"CUDA_VISIBLE_DEVICES": "3,5"}, 1, "5"),
        ({"CUDA_VISIBLE_DEVICES": "6"}, 0, "6"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1b2c"}, 0, "0"),
    ],
    ids=["first", "by rank", "of those visible", "the one visible", "named by UUID"],
)
def test_simulators_draw_on_their_ranks_gpu(environ: dict[str, str], local_rank: int, device: str) -> None:
    assert render_environment(environ, local_rank, has_gpu=True) == {"MUJOCO_EGL_DEVICE_ID": device}


def test_without_a_gpu_or_with_a_choice_of_the_users_nothing_is_set() -> None:
    assert render_environment({}, 0, has_gpu=False) == {}
    assert render_environment({"MUJOCO_EGL_DEVICE_ID": "4"}, 0, has_gpu=True) == {}


def test_the_simulators_python_is_the_one_asked_for_then_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, other = tmp_path / "asked", tmp_path / "other"
    for path in (asked, other):
        path.touch(0o755)
    monkeypatch.setenv("VLAD_SIM_PYTHON", str(other))
    assert sim_python(str(asked)) == str(asked)
    assert sim_python(None) == str(other)
    with pytest.raises(SimulatorError, match="no such program"):
        sim_python("/nonexistent/python")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_python_that_another_user_left_in_the_folder_is_not_run_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLAD_SIM_PYTHON", raising=False)
    left = tmp_path / ".venv-libero" / "bin" / "python"
    left.parent.mkdir(parents=True)
    left.touch(0o755)
    assert sim_python(None) == str(left)
    os.chown(left.parents[1], 12345, 12345)
    with pytest.raises(SimulatorError, match="belongs to another user"):
        sim_python(None)
    assert sim_python(str(left)) == str(left)


def test_what_a_python_has_is_asked_once(tmp_path: Path) -> None:
    found = found_libero(str(fake_simulator.fake_python(tmp_path)))
    assert found.versions["mujoco"] == "2.3.7"
    assert found.instructions("libero_spatial") == tuple(fake_simulator.INSTRUCTIONS)
    with pytest.raises(TrainerError, match="has no such suite; there are libero_spatial"):
        found.instructions("libero_object")


def test_a_python_says_how_it_passes_pictures_through_the_jpeg(faults: Path) -> None:
    assert found_libero(None).jpeg == pass_mark()
    (faults / "always-pillow").touch()
    assert found_libero(None).jpeg not in (None, pass_mark())


def test_a_program_that_is_no_python_with_libero_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho hello\n")
    path.chmod(0o755)
    with pytest.raises(SimulatorError, match="does not say whether it has LIBERO"):
        found_libero(str(path))
