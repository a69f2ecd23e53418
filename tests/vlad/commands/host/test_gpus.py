"""The verbs about GPUs and the queue: what `vlad start` accepts, and what `vlad gpus`, `ls` and `show` tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Vlad
from fake_gpus import FakeGpus, fake_gpus
from patience import until
from supervised_runs import SUPPORT, Lab
from vlad.records.run import State
from vlad.records.spec import Predecessor


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    """A host with two."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake_gpus(tmp_path, 2, monkeypatch)


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with a fake trainer that would use GPUs."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {SUPPORT / "fake_trainer.py"} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("FAKE_TRAINER_ASKED", str(tmp_path / "asked.jsonl"))
    monkeypatch.setenv("FAKE_TRAINER_DEVICE", "auto")
    monkeypatch.setenv("VLAD_PYTHON", str(python))
    monkeypatch.chdir(tmp_path)
    return python


def test_a_command_gets_the_gpus_that_it_asks_for(vlad: Vlad, gpus: FakeGpus) -> None:
    run = vlad.started("--gpus", "1,", "--", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "GPU-1\n"
    assert ["GPUs", "1", "(Fake", "4090)"] in [line.split() for line in vlad("show", "last").out.splitlines()]


@pytest.mark.parametrize("words", [(), ("--gpus", "none")], ids=["unasked", "none"])
def test_a_command_that_asks_for_none_waits_for_none(vlad: Vlad, gpus: FakeGpus, words: tuple[str, ...]) -> None:
    gpus.use(0, gib=20)
    gpus.use(1, gib=20)
    run = vlad.started(*words, "--", "true")
    assert run.directory.read_spec().gpus is None
    assert run.until_ended().state is State.SUCCEEDED


def test_torchrun_gets_a_gpu_for_each_process(vlad: Vlad, gpus: FakeGpus, tmp_path: Path) -> None:
    torchrun = tmp_path / "torchrun"
    torchrun.write_text("#!/bin/sh\n")
    torchrun.chmod(0o755)
    run = vlad.started("--gpus", "auto", "--", str(torchrun), "--nproc-per-node=2", "train.py")
    wish = run.directory.read_spec().gpus
    assert wish is not None
    assert (wish.count, wish.among, wish.lock_folder) == (2, (), str(gpus.locks))


REFUSALS = {
    "too many": (("--gpus", "3"), "3 GPUs are asked for, but this host has 2"),
    "no such": (("--gpus", "5,"), "there is no GPU 5"),
    "nonsense": (("--gpus", "many"), "--gpus 'many'"),
    "no such run": (("--after", "nothing"), "there are no runs"),
}


@pytest.mark.parametrize(("words", "told"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_is_refused_before_a_run_is_made(
    vlad: Vlad, gpus: FakeGpus, lab: Lab, words: tuple[str, ...], told: str
) -> None:
    answer = vlad("start", *words, "--", "true")
    assert answer.code == 2
    assert told in answer.err
    assert lab.home.run_ids() == []


def test_without_a_driver_gpus_cannot_be_asked_for(vlad: Vlad, gpus: FakeGpus) -> None:
    gpus.file.unlink()
    refused = vlad("start", "--gpus", "1", "--", "true").err
    assert "--gpus 1: the GPUs of this host cannot be read" in refused
    assert "No such file" in refused
    assert vlad("gpus").code == 2


def test_the_trainer_waits_for_a_gpu_a_process_by_default(
    vlad: Vlad, gpus: FakeGpus, trainer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake trainer has three processes, and its configuration says device auto."""
    assert vlad.started().directory.read_spec().gpus is None, "three are more than this host has"
    gpus.add(2)
    wish = vlad.started().directory.read_spec().gpus
    assert wish is not None
    assert wish.count == 3
    monkeypatch.setenv("FAKE_TRAINER_DEVICE", "cpu")
    assert vlad.started().directory.read_spec().gpus is None
    monkeypatch.setenv("FAKE_TRAINER_DEVICE", "auto")
    assert vlad.started("--gpus", "none").directory.read_spec().gpus is None
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "vlad" / "config.yaml"
    config.write_text("gpus: {lease_by_default: false}\n")
    assert vlad.started().directory.read_spec().gpus is None


def test_a_number_of_gpus_is_a_number_of_processes(vlad: Vlad, gpus: FakeGpus, trainer: Path) -> None:
    vlad.started("--gpus", "2")
    assert '"--nproc=2"' in (trainer.parent / "asked.jsonl").read_text()
    answer = vlad("start", "1", "--gpus", "2")
    assert answer.code == 2
    assert "one process a GPU" in answer.err


def test_gpus_are_listed_with_their_holders_and_the_queue(vlad: Vlad, gpus: FakeGpus, tmp_path: Path) -> None:
    gpus.hold(1, pid=os.getpid(), gib=5)
    gate = tmp_path / "gate"
    script = f"until [ -e {gate} ]; do sleep 0.05; done"
    first = vlad.started("--gpus", "1", "--name", "first", "--", "bash", "-c", script)
    first.until_state(State.RUNNING)
    second = vlad.started("--gpus", "2", "--priority", "3", "--name", "second", "--", "true")
    until(lambda: second.record.queue, "a place in the queue")
    listed = vlad("gpus").out.splitlines()
    assert first.directory.run_id in listed[1]
    assert f"pid {os.getpid()} (5.0 GiB)" in listed[2].split("used by others: ")[1]
    assert listed[4].split()[:2] == ["PLACE", "RUN"]
    assert listed[5].split()[:2] == ["1", second.directory.run_id]
    assert f"0 is held by {first.directory.run_id}; 1 is used by others" in listed[5]
    document = vlad("gpus", "--json").json
    assert [one["lease"] and one["lease"]["run_id"] for one in document["gpus"]] == [first.directory.run_id, None]
    assert [(one["run_id"], one["priority"]) for one in document["queue"]] == [(second.directory.run_id, 3)]
    assert "QUEUED 1 of 1" in vlad("ls").out
    assert "waits for 2 GPUs" in vlad("show", "second").out
    gate.touch()
    gpus.use(1, gib=0)
    assert second.until_ended().state is State.SUCCEEDED
    assert "free" in vlad("gpus").out.splitlines()[1]


def test_who_follows_a_waiting_run_is_told_what_it_waits_for(vlad: Vlad, gpus: FakeGpus, tmp_path: Path) -> None:
    script = f"until [ -e {tmp_path / 'gate'} ]; do sleep 0.05; done"
    first = vlad.started("--name", "first", "--", "bash", "-c", script)
    first.until_state(State.RUNNING)
    second = vlad.started("--after", "first", "--name", "second", "--", "true")
    third = vlad.started("--after-any", "second", "--name", "third", "--", "true")
    assert second.directory.read_spec().after == (Predecessor(run_id=first.directory.run_id),)
    assert third.directory.read_spec().after == (Predecessor(run_id=second.directory.run_id, any_end=True),)
    until(lambda: second.record.queue, "a reason to wait")
    words = [sys.executable, "-c", "from vlad.cli import main; main()", "logs", "-f", second.directory.run_id]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as following:
        assert following.stderr is not None
        told = following.stderr.readline()
        (tmp_path / "gate").touch()
        assert "SUCCEEDED" in following.stderr.read()
    assert f"QUEUED: waits for the end of {first.directory.run_id} (RUNNING)" in told
    third.until_ended()


def test_a_host_without_a_driver_is_said_to_have_none(vlad: Vlad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlad.commands.host.gpus.has_driver", lambda: False)
    answer = vlad("gpus")
    assert answer.code == 2
    assert "this host has no NVIDIA driver" in answer.err
