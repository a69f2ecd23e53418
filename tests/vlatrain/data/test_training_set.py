"""The training set of a configuration, opened by several ranks and runs at once."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE_S
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.training_set import TrainingSet, ensure_demonstrations, open_training_set, told
from vlatrain.errors import TrainerError


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(data_root_dir=tmp_path / "data", cache_dir=tmp_path / "cache", dataset_name="tabletop_new")


def test_missing_demonstrations_are_recorded_once_and_kept(config: FinetuneConfig) -> None:
    folder = ensure_demonstrations(config.data_root_dir, config.dataset_name, episodes=4)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.tfrecord-*")}
    assert len(before) == 2
    assert ensure_demonstrations(config.data_root_dir, config.dataset_name, episodes=9) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.tfrecord-*")} == before
    statistics = RLDSDataset(folder).statistics["tabletop_new"]
    assert statistics["num_trajectories"] == 4
    assert statistics["action"]["min"][6] == 0
    assert statistics["action"]["max"][6] == 1  # the gripper opens and closes


def test_two_runs_that_record_at_once_do_no_harm(config: FinetuneConfig) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = list(
            pool.map(lambda _: ensure_demonstrations(config.data_root_dir, config.dataset_name, episodes=4), range(2))
        )
    assert folders[0] == folders[1]
    assert RLDSDataset(folders[0], verify=True).statistics["tabletop_new"]["num_trajectories"] == 4


def test_the_first_rank_records_and_the_others_wait_for_it(config: FinetuneConfig) -> None:
    barrier = threading.Barrier(2, timeout=PATIENCE_S)

    def wait() -> None:
        barrier.wait()

    def rank(number: int) -> TrainingSet:
        if number == 0:
            ensure_demonstrations(config.data_root_dir, config.dataset_name, episodes=20)
        return open_training_set(config, is_first=number == 0, wait_for_all=wait)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(rank, range(2))
    assert len(first) == len(second) > 0
    np.testing.assert_array_equal(first[3].image, second[3].image)
    whole = RLDSDataset(config.data_root_dir / "tabletop_new")
    assert len(first) < len(whole)  # 95 %, as published


def test_other_sets_are_never_made(config: FinetuneConfig, make_set: Callable[..., Path]) -> None:
    folder = make_set(*[2] * 20)
    there = FinetuneConfig(data_root_dir=folder.parent, cache_dir=config.cache_dir, dataset_name=folder.name)
    assert len(open_training_set(there)) == 38
    absent = FinetuneConfig(data_root_dir=folder.parent, cache_dir=config.cache_dir, dataset_name="libero_10_no_noops")
    with pytest.raises(TrainerError, match=r"no data set at .*libero_10_no_noops \(found there: libero_made\)"):
        open_training_set(absent)


def test_what_takes_long_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 1.0, 6.0, 7.0])
    tell = told("indexing libero_90: {:.1%}", clock=lambda: next(times))
    with caplog.at_level(logging.INFO):
        for share in (0.1, 0.25, 0.4):
            tell(share)
    assert [record.message for record in caplog.records] == ["indexing libero_90: 25.0%"]
