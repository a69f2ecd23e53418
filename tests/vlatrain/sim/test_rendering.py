"""vlatrain.sim.rendering and `demos --render`: a data set of pictures made of recorded simulator states."""

import json
from pathlib import Path

import fake_simulator
import numpy as np
import pytest
from interrupted import interrupted
from stated_files import write_states
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.spool import begun
from vlatrain.errors import TrainerError
from vlatrain.tools.cli import main

NAME = "libero_spatial_no_noops"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Two demonstrations of each of two tasks; the fixture stands elsewhere in each."""
    folder = tmp_path / "recorded"
    for task, instruction in enumerate(fake_simulator.INSTRUCTIONS[:2]):
        write_states(folder, instruction, {number: 40 * task + 20 * number + 10 for number in range(2)})
    return folder


def words(recorded: Path, out: Path, *more: str) -> list[str]:
    asked = ["demos", "--suite", "libero_spatial", "--render", str(recorded), "--out", str(out)]
    return [*asked, "--workers", "2", "--shards", "1", *more]


def test_each_frame_that_does_something_is_rendered_from_its_state(
    tmp_path: Path, faults: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(recorded, tmp_path / "out")) == 0
    folder = tmp_path / "out" / NAME
    told = capsys.readouterr()
    assert told.out == f"{folder}\n"
    assert "4/4 demonstrations, " in told.err
    dataset = RLDSDataset(folder, verify=True, wrist=True, states=True)
    assert dataset.instructions == tuple(fake_simulator.INSTRUCTIONS[:2])
    seen = [(int(image[0, 0, 0]), int(image[0, -1, 0])) for image in map(dataset.image, range(len(dataset)))]
    one = [(101, 10), (103, 10), (104, 10)]  # the third of five frames does nothing, and so does the first
    assert seen[:6] == [*one, *[(left, 50) for left, _ in one]], "tasks in turn, each with its own fixture"
    assert dataset.image(0).shape == (256, 256, 3)
    report = json.loads((folder / "demonstrations.json").read_text())
    assert report["tasks"] == dict.fromkeys(fake_simulator.INSTRUCTIONS[:2], 2)
    assert (report["episodes"], report["versions"]) == (4, fake_simulator.VERSIONS)
    assert not list((tmp_path / "out").glob(".*spool"))


def test_only_these_tasks_and_only_one_camera(tmp_path: Path, faults: Path, recorded: Path) -> None:
    assert main(words(recorded, tmp_path / "out", "--tasks", "1", "--no-wrist")) == 0
    dataset = RLDSDataset(tmp_path / "out" / NAME)
    assert dataset.instructions == (fake_simulator.INSTRUCTIONS[1],)
    assert "wrist_image" not in (tmp_path / "out" / NAME / "1.0.0" / "features.json").read_text()


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(tmp_path: Path, faults: Path, recorded: Path) -> None:
    out = tmp_path / "out"
    told = interrupted(words(recorded, out, "--workers", "1"), faults / "hang-0-101-0")  # task 1's file comes first
    assert told.endswith("2 of 4 demonstrations are kept; the same command goes on from there\n")
    spool = out / f".{NAME}.spool"
    assert main(words(recorded, out, "--no-wrist")) == 2, "another plan"
    assert len(list(spool.glob("*.npz"))) == 2
    assert main(words(recorded, out)) == 0
    assert main(words(recorded, tmp_path / "whole")) == 0
    one, other = (next((tmp_path / name).rglob("*.tfrecord-*")).read_bytes() for name in ("whole", "out"))
    assert one == other


def test_a_demonstration_whose_simulator_crashes_is_rendered_again(
    tmp_path: Path, faults: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (faults / "crash-0-101-0").touch()
    assert main(words(recorded, tmp_path / "out")) == 0
    assert "1 simulators lost" in capsys.readouterr().err
    (faults / "always-crash-0-101-0").touch()
    assert main(words(recorded, tmp_path / "other")) == 2
    assert ": simulator crashed: Segmentation fault in the renderer" in capsys.readouterr().err


def test_states_of_another_scene_are_refused_in_one_line(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_states(tmp_path / "r", fake_simulator.INSTRUCTIONS[0], {0: 10}, coordinates=9)
    assert main(words(file, tmp_path / "out")) == 2
    told = capsys.readouterr().err
    assert told == (
        f"vlatrain demos: {file}: demo_0: states have 9 coordinates; this task has 6; is it of libero_spatial?\n"
    )


@pytest.mark.parametrize("more", [["--episodes", "3"], ["--shaky"], ["--hdf5"], ["--limit", "9"]], ids=lambda it: it[0])
def test_words_of_recording_are_refused_beside_it(
    tmp_path: Path, recorded: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(recorded, tmp_path / "out", *more)) == 2
    assert capsys.readouterr().err.startswith(f"vlatrain demos: {more[0]} is for recording")


def test_what_a_recording_began_is_not_gone_on_with_nor_the_other_way_round(
    tmp_path: Path, faults: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ["demos", "--suite", "libero_spatial", "--episodes", "1", "--out"]
    begun(tmp_path / "a" / f".{NAME}.spool", {"suite": "libero_spatial", "episodes": 1})
    begun(tmp_path / "b" / f".{NAME}.spool", {"suite": "libero_spatial", "sources": []})
    assert (main(words(recorded, tmp_path / "a")), main([*record, str(tmp_path / "b")])) == (2, 2)
    first, second = capsys.readouterr().err.splitlines()
    assert "spool was begun with other settings (episodes, " in first
    assert "sources, states, wrist): use those of its plan.json, or remove it" in second


@pytest.mark.parametrize("noted", ["{", "[]", "{}", '{"plan": 1}'])
def test_a_spool_whose_plan_cannot_be_read_is_named(tmp_path: Path, noted: str) -> None:
    (tmp_path / "plan.json").write_text(noted)
    with pytest.raises(TrainerError, match=r"cannot be gone on with: .*; remove it"):
        begun(tmp_path, {"suite": "libero_spatial"})


def test_a_task_that_the_suite_does_not_have_is_refused(
    tmp_path: Path, faults: Path, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = len(fake_simulator.INSTRUCTIONS) - 1
    told = f"vlatrain demos: --tasks {last + 1}: libero_spatial has tasks 0 to {last}\n"
    for asked in (["--render", str(recorded)], ["--episodes", "1"]):
        out = ["--out", str(tmp_path / "out"), "--tasks", "0", str(last + 1)]
        assert main(["demos", "--suite", "libero_spatial", *asked, *out]) == 2
        assert capsys.readouterr().err == told
    assert not (tmp_path / "out").exists()


def test_without_either_word_nothing_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demos", "--suite", "libero_spatial", "--out", str(tmp_path / "out")]) == 2
    assert "--episodes N says how many to record, or --render PATH" in capsys.readouterr().err


def test_what_is_written_is_as_grey_as_what_was_seen(tmp_path: Path, faults: Path, recorded: Path) -> None:
    assert main(words(recorded, tmp_path / "out")) == 0
    dataset = RLDSDataset(tmp_path / "out" / NAME, states=True)
    assert np.array_equal(dataset.stored_actions[:3, 0], np.full(3, 0.5, np.float32))
