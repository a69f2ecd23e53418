"""The command line of the tools around training."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from patience import PATIENCE_S
from vlatrain.data.rlds import RLDSDataset
from vlatrain.tools.cli import main


def record(out: Path, *more: str) -> int:
    return main(["demos", "--suite", "tabletop_new", "--episodes", "3", "--out", str(out), *more])


def test_demos_writes_a_set_and_answers_with_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record(tmp_path, "--seed", "5", "--shards", "3") == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'tabletop_new'}\n"
    assert told.err.splitlines()[-1] == "3/3 episodes"
    assert RLDSDataset(tmp_path / "tabletop_new").statistics["tabletop_new"]["num_trajectories"] == 3
    assert len(list((tmp_path / "tabletop_new" / "1.0.0").glob("*-of-00003"))) == 3


def test_demos_of_one_seed_are_the_same_and_of_another_are_not(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert record(tmp_path / name, "--seed", seed) == 0
    a, b, c = (sorted((tmp_path / name).rglob("*.tfrecord-*"))[0].read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["demos", "--suite", "libero_moon", "--episodes", "1", "--out", "x"],
            "vlatrain demos: --suite libero_moon: there",
        ),
        (["data", "/nowhere/libero_10"], "vlatrain data: data_root_dir / dataset_name: no data set at /nowhere"),
    ],
)
def test_mistakes_are_one_line_and_status_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_ctrl_c_is_told_in_words(tmp_path: Path) -> None:
    words = ["demos", "--suite", "tabletop_new", "--episodes", "100000", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "vlatrain.tools", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tool:
        assert tool.stderr is not None
        try:
            assert "episodes" in tool.stderr.readline()
            tool.send_signal(signal.SIGINT)
            told = tool.communicate(timeout=PATIENCE_S)[1]
        finally:
            tool.kill()
    assert (tool.returncode, told.splitlines()[-1]) == (130, "vlatrain demos: interrupted")


@pytest.mark.parametrize("episodes", ["0", "-3", "many"])
def test_impossible_numbers_are_refused(episodes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["demos", "--suite", "tabletop_new", "--out", "x", "--episodes", episodes])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("vlatrain demos: argument --episodes: ")
    assert told.count("\n") == 1


def test_data_describes_and_verifies_a_set(make_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_set(4, 5)
    assert main(["data", str(folder), "--verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "libero_made: 9 frames, 2 episodes"
    assert lines[1] == "9 frames in the split read; first image 24x32x3"
    assert lines[-2:] == ["Put the block 0 in the bowl", "Put the block 1 in the bowl"]
    shard = next((folder / "1.0.0").glob("*.tfrecord-00001-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    assert main(["data", str(folder), "--verify"]) == 2
    assert "tfrecord-00001-of-00002: at byte 0: corrupt record" in capsys.readouterr().err


def test_convert_writes_another_format_as_rlds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(tmp_path / "open_it_demo.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.ones((3, 7))
        file["data/demo_0/obs/agentview_rgb"] = np.zeros((3, 16, 16, 3), np.uint8)
    words = ["convert", str(tmp_path), "--out", str(tmp_path / "out"), "--name", "libero_mine", "--shards", "1"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'out' / 'libero_mine'}\n"
    assert RLDSDataset(tmp_path / "out" / "libero_mine").instructions == ("open it",)
    capsys.readouterr()
    assert main(["data", str(tmp_path)]) == 2
    assert "LIBERO's HDF5 files, which training imports by itself" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "out"), "--out", str(tmp_path)]) == 2
    assert "holds neither *.hdf5 files nor a LeRobot data set" in capsys.readouterr().err
