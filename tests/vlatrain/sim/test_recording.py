"""vlatrain.sim.recording and the tool `demos`: only successes, every wanted one, whatever becomes of simulators."""

import json
from pathlib import Path

import fake_simulator
import h5py
import numpy as np
import pytest
from interrupted import interrupted
from vlatrain.data.hdf5 import hdf5_episodes
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.spool import load_episode
from vlatrain.errors import TrainerError
from vlatrain.sim.finding import found_libero
from vlatrain.sim.pool import Pool
from vlatrain.sim.recording import Plan, Recording
from vlatrain.tools.cli import main
from vlatrain.tools.demonstrations import layout_of, program_of


def record(out: Path, *more: str, episodes: int = 4) -> int:
    words = ["demos", "--suite", "libero_spatial", "--episodes", str(episodes), "--tasks", "0", "1", "--workers", "2"]
    return main([*words, "--limit", "10", "--shards", "1", "--out", str(out), *more])


def test_successes_are_recorded_in_the_published_layout(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(tmp_path / "out") == 0
    folder = tmp_path / "out" / "libero_spatial_no_noops"
    assert capsys.readouterr().out == f"{folder}\n"
    dataset = RLDSDataset(folder, verify=True)
    assert dataset.statistics["libero_spatial_no_noops"]["num_trajectories"] == 4
    assert dataset.instructions == tuple(fake_simulator.INSTRUCTIONS[:2])
    features = json.loads((folder / "1.0.0" / "features.json").read_text())
    seen = features["featuresDict"]["features"]["steps"]["sequence"]["feature"]["featuresDict"]["features"]
    assert set(seen["observation"]["featuresDict"]["features"]) == {"image", "wrist_image", "state"}
    assert RLDSDataset(folder, image_key="wrist_image").image(0).shape == (256, 256, 3)
    report = json.loads((folder / "demonstrations.json").read_text())
    assert report["versions"] == fake_simulator.VERSIONS
    assert [score["successes"] for score in report["tasks"].values()] == [2, 2]
    assert not list((tmp_path / "out").glob(".*spool"))


def test_an_episode_on_its_way_to_the_disk_does_not_count_as_failed(tmp_path: Path, faults: Path) -> None:
    told: list[str] = []
    found = found_libero(None)
    plan = Plan(
        suite="libero_spatial", episodes=6, seed=0, shaky=False, limit=10, wrist=False, size=256, jpeg_quality=95,
        pictures=True, states=False,
    )  # fmt: skip
    recording = Recording(plan, found.instructions(plan.suite), tmp_path / "spool", told.append, tasks=[0, 1])
    with Pool(program_of(found, layout_of(plan)), 1) as pool:
        recording.run(pool)
    assert told[-1].startswith("6/6 episodes, ")
    assert all(", 0 failed, " in line for line in told)


def test_steps_that_do_nothing_are_left_out(tmp_path: Path, faults: Path) -> None:
    assert record(tmp_path / "out", episodes=1) == 0
    dataset = RLDSDataset(tmp_path / "out" / "libero_spatial_no_noops")
    grey = [int(dataset.image(place)[0, 0, 0]) for place in range(len(dataset))]
    assert grey == [20, 40, 80, 100], "the first of six frames stands still, and so does the fourth"
    assert np.linalg.norm(dataset.stored_actions[1:, :6], axis=1).min() > 0


def test_a_second_call_completes_what_a_killed_one_began(tmp_path: Path, faults: Path) -> None:
    assert record(tmp_path / "whole") == 0
    (faults / "always-dumb").touch()
    assert record(tmp_path / "out") == 2
    (faults / "always-dumb").unlink()
    spool = tmp_path / "out" / ".libero_spatial_no_noops.spool"
    assert record(tmp_path / "out", "--seed", "5") == 2, "another plan"
    assert spool.is_dir()
    assert record(tmp_path / "out") == 0
    one, other = (next((tmp_path / name).rglob("*.tfrecord-*")).read_bytes() for name in ("whole", "out"))
    assert one == other


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(tmp_path: Path, faults: Path) -> None:
    options = ["--suite", "libero_spatial", "--episodes", "4", "--tasks", "0", "1", "--workers", "1"]
    words = ["demos", *options, "--out", str(tmp_path / "out")]
    told = interrupted(words, faults / "hang-1-10-0")
    assert told.endswith("3 of 4 episodes are kept; the same command goes on from there\n")
    assert main(words) == 0


def test_a_scene_whose_simulator_crashes_is_played_again(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (faults / "crash-0-0-0").touch()
    assert record(tmp_path / "out") == 0
    assert "1 simulators lost" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "libero_spatial_no_noops" / "demonstrations.json").read_text())
    assert (report["episodes"], report["simulators_lost"]) == (4, 1)


def test_an_unfit_scene_is_drawn_anew_and_is_no_try(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (faults / "always-unfit-0-0").touch()
    assert record(tmp_path / "out", episodes=2) == 0
    told = capsys.readouterr().err
    assert "    1/2      6  pick up the red thing (1 scenes were unfit)\n" in told
    assert "    2/3      6  all; 95 % interval 20.8-93.9 %\n" in told
    report = json.loads((tmp_path / "out" / "libero_spatial_no_noops" / "demonstrations.json").read_text())
    scores = [(score["successes"], score["tries"], score["unfit"]) for score in report["tasks"].values()]
    assert scores == [(1, 2, 1), (1, 1, 0)], "the scene after the unfit one has an odd seed, which the expert fails"


def test_tasks_that_the_expert_cannot_do_are_told_and_the_others_recorded(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["demos", "--suite", "libero_spatial", "--episodes", "3", "--workers", "1", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "      -         open the drawer: the expert cannot open\n" in told
    assert told.endswith("1 of 3 episodes could not be recorded\n")
    report = json.loads((tmp_path / "out" / "libero_spatial_no_noops" / "demonstrations.json").read_text())
    assert (report["episodes"], report["dropped"]) == (2, 1)


def test_hdf5_files_read_back_as_the_same_episodes(tmp_path: Path, faults: Path) -> None:
    assert record(tmp_path / "out", "--hdf5") == 0
    episodes = list(hdf5_episodes(tmp_path / "out" / "libero_spatial_no_noops_hdf5"))
    assert [episode.instruction for episode in episodes].count(fake_simulator.INSTRUCTIONS[0]) == 2
    dataset = RLDSDataset(tmp_path / "out" / "libero_spatial_no_noops")
    assert np.array_equal(episodes[0].images[0], dataset.image(0))
    assert np.array_equal(episodes[0].actions, dataset.stored_actions[: len(episodes[0])])


def test_hdf5_files_hold_the_simulators_states_too(tmp_path: Path, faults: Path) -> None:
    assert record(tmp_path / "out", "--hdf5", episodes=1) == 0
    (path,) = (tmp_path / "out" / "libero_spatial_no_noops_hdf5").iterdir()
    with h5py.File(path) as file:
        one = file["data/demo_0"]
        assert one["states"][:, 1].tolist() == [20, 40, 80, 100], "of the frames in which something is done"
        assert one["states"].shape == (4, 6)
        assert one.attrs["init_state"].tolist() == one["states"][0].tolist()
        assert "cabinet" in one.attrs["model_file"]
        assert one["obs/ee_states"].shape == (4, 6)


def test_states_without_pictures_are_rendered_into_the_set_that_was_not_recorded(
    tmp_path: Path, faults: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert record(out, "--states") == 0
    stated = out / "libero_spatial_no_noops_states"
    assert capsys.readouterr().out == f"{stated}\n"
    assert sorted(path.suffix for path in stated.iterdir()) == [".hdf5", ".hdf5", ".json"]
    with pytest.raises(TrainerError, match="vlad demos --render makes pictures of its states"):
        list(hdf5_episodes(stated))
    assert record(out, "--states") == 2, "it is there already"
    assert main(["demos", "--suite", "libero_spatial", "--render", str(stated), "--out", str(out)]) == 0
    assert record(tmp_path / "pictures") == 0
    rendered, recorded = (RLDSDataset(place / "libero_spatial_no_noops") for place in (out, tmp_path / "pictures"))
    assert np.array_equal(rendered.stored_actions, recorded.stored_actions)
    grey = [[int(dataset.image(place)[0, 0, 0]) for place in range(4)] for dataset in (rendered, recorded)]
    assert grey[0] == grey[1]
    assert int(rendered.image(0)[0, -1, 0]) == 33, "the fixture stands where it stood"


def test_states_and_pictures_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record(tmp_path, "--states", "--hdf5") == 2
    assert "choose one of them" in capsys.readouterr().err
    assert record(tmp_path, "--states", "--suite", "tabletop_new") == 2
    assert "--suite tabletop_new: --states and --hdf5 are of LIBERO's" in capsys.readouterr().err


def test_a_damaged_spooled_episode_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "task-00-00000.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(TrainerError, match="is no recorded episode"):
        load_episode(path)


def test_a_set_that_exists_is_not_recorded_again(tmp_path: Path, faults: Path) -> None:
    (tmp_path / "libero_spatial_no_noops").mkdir()
    assert record(tmp_path) == 2


def test_a_suite_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demos", "--suite", "libero_moon", "--episodes", "1", "--out", str(tmp_path)]) == 2
    assert "there are tabletop_base, tabletop_new, libero_spatial" in capsys.readouterr().err
