"""vlatrain.train.saving: training goes on while a checkpoint is written; what is on the disk is as of its step."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from patience import PATIENCE_S
from torch import Tensor
from training_runs import Workshop, adapter, is_same, trainer_state
from vlad.records.progress import CheckpointSaved
from vlatrain.train import contents, loop, saving, staging, step
from vlatrain.train.learner import Learner
from vlatrain.train.staging import Staging, fits_in_memory, size_bytes


def test_training_goes_on_while_the_disk_is_slow(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writing of step 2 ends only when training is at step 4; it holds step 2, and is told when it is there."""
    run = workshop.run("slow", max_steps=5, save_steps=2)
    is_beyond = threading.Event()
    seen: list[tuple[bool, list[int]]] = []

    def slow_fill(folder: Path, *args: Any, **kwargs: Any) -> None:
        if folder.name == ".step-000002.new":
            seen.append((is_beyond.wait(PATIENCE_S), run.saved_steps))
        contents.fill(folder, *args, **kwargs)

    def train_step(*args: Any) -> None:
        if args[-1] == 3:
            is_beyond.set()
        real_step(*args)

    real_step = step.train_step
    monkeypatch.setattr(saving, "fill", slow_fill)
    monkeypatch.setattr(loop, "train_step", train_step)
    assert run.train_here() == 0
    assert seen == [(True, [])]
    assert run.saved_steps == [2, 4, 5]
    short = workshop.trained("short", max_steps=2)
    assert is_same(trainer_state(run.folder / "step-000002"), trainer_state(short.latest))
    assert is_same(adapter(run.folder / "step-000002"), adapter(short.latest))


def test_without_memory_for_a_copy_training_waits(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = workshop.trained("copied", max_steps=4, save_steps=2)
    monkeypatch.setattr(contents, "fits_in_memory", lambda tree, staging: False)
    waited = workshop.trained("waited", max_steps=4, save_steps=2)
    for name in ("step-000002", "step-000004"):
        assert is_same(trainer_state(waited.folder / name), trainer_state(copied.folder / name))
        assert is_same(adapter(waited.folder / name), adapter(copied.folder / name))
    assert all((line.stall_s or 0) >= (line.write_s or 1) for line in waited.told(CheckpointSaved))


def test_what_a_checkpoint_cost_is_told(workshop: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    run = workshop.trained("a", max_steps=1)
    [line] = run.told(CheckpointSaved)
    assert line.stall_s is not None
    assert line.write_s is not None
    assert f"step-000001 stall={1000 * line.stall_s:.1f} ms write={line.write_s:.2f} s" in capfd.readouterr().out


def test_a_mistake_of_our_own_in_the_writer_ends_the_run(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise KeyError("no such tensor")

    monkeypatch.setattr(saving, "fill", broken)
    with pytest.raises(KeyError, match="no such tensor"):
        workshop.run("a", max_steps=3, save_steps=1).train_here()


def tree() -> dict[str, Any]:
    return {"a": torch.arange(4.0), "b": [(torch.ones(2, 2, dtype=torch.bfloat16), "text", None)], "n": 3}


def test_a_copy_does_not_change_with_what_it_was_made_of() -> None:
    live = tree()
    copy = Staging().copied(live)
    live["a"].zero_()
    live["b"][0][0].zero_()
    assert is_same(copy, tree())
    assert isinstance(copy["b"][0], tuple)


def test_the_next_copy_takes_the_same_memory() -> None:
    memory = Staging()
    first = memory.copied(tree())
    second = memory.copied({**tree(), "a": torch.full((4,), 7.0)})
    assert first["a"].data_ptr() == second["a"].data_ptr()
    assert memory.size_bytes == size_bytes(tree()) == 4 * 4 + 4 * 2
    other = memory.copied({"a": torch.zeros(9)})
    assert other["a"].shape == (9,)


def test_reserved_memory_is_what_the_copy_takes() -> None:
    memory = Staging()
    memory.reserve([torch.zeros(4), torch.zeros(9)], each=2)
    reserved = memory.size_bytes
    assert reserved == 2 * 4 * (4 + 9)
    copy = memory.copied({"weight": torch.arange(4.0), "moments": [torch.ones(9), torch.full((9,), 2.0)]})
    assert memory.size_bytes == 4 * (4 + 9 + 9)  # what was not needed is given back
    assert is_same(copy, {"weight": torch.arange(4.0), "moments": [torch.ones(9), torch.full((9,), 2.0)]})


def test_checkpoints_take_the_memory_that_was_reserved_before_the_first_step(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else training would wait while a save pins it: adapters and moments are all that is large in a checkpoint."""
    taken_later: list[torch.Size] = []
    empty = staging._empty

    def noted(tensor: Tensor) -> Tensor:
        taken_later.append(tensor.shape)
        return empty(tensor)

    def reserve(checkpoints: saving.Checkpoints, learner: Learner) -> None:
        checkpoints._staging.reserve(learner.trained, saving.COPIES)
        monkeypatch.setattr(staging, "_empty", noted)

    monkeypatch.setattr(saving.Checkpoints, "prepare", reserve)
    workshop.trained(max_steps=3, save_steps=1)
    assert taken_later
    assert not [shape for shape in taken_later if len(shape) > 1]


def test_what_is_larger_than_the_host_is_not_copied() -> None:
    assert fits_in_memory(tree(), Staging())
    assert not fits_in_memory(torch.empty(1 << 50, dtype=torch.uint8, device="meta"), Staging())
