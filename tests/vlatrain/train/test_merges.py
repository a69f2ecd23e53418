"""vlatrain.train.merges: merged models appear beside training, which neither waits for them nor fails with them."""

import sys
from pathlib import Path

import pytest
from patience import until
from training_runs import Run, Workshop
from vlatrain.model.merging import Adapter, merge
from vlatrain.train.checkpoint import OWNER, Saved
from vlatrain.train.merges import Merges

SLOW_MERGE = """#!/bin/sh
# in Python's place: makes what is half done, says so, and ends well when `go` is there
for out; do :; done
mkdir -p "$(dirname "$out")/.$(basename "$out").new"
echo "$(basename "$out")" >> "$(dirname "$out")/begun"
while [ ! -e "$(dirname "$out")/go" ]; do sleep 0.02; done
mv "$(dirname "$out")/.$(basename "$out").new" "$out"
"""


def merged(run: Run) -> dict[str, Path]:
    return {path.name.rpartition("--")[2]: path for path in sorted((run.project / "runs").glob("*_chkpt"))}


def test_the_last_checkpoint_of_a_run_is_merged_and_older_models_go(workshop: Workshop, tmp_path: Path) -> None:
    run = workshop.run(max_steps=4, save_steps=2, merge_lora_during_training=True)
    assert run.train_here() == 0
    assert list(merged(run)) == ["4_chkpt"]
    merge(Adapter.open(run.latest), run.project / "base", tmp_path / "by-hand", run.latest / "dataset_statistics.json")
    for file in ("model.safetensors", "config.json", "dataset_statistics.json"):
        assert (merged(run)["4_chkpt"] / file).read_bytes() == (tmp_path / "by-hand" / file).read_bytes()


def test_what_cannot_be_merged_is_a_warning(workshop: Workshop) -> None:
    run = workshop.run(max_steps=2, save_steps=2, merge_lora_during_training=True)
    in_the_way = run.project / "runs" / "base+libero_made+b2+lr-0.01+lora-r4+dropout-0.0--image_aug--2_chkpt"
    in_the_way.parent.mkdir()
    in_the_way.touch()
    assert run.train_here() == 0
    [warning] = [told for told in run.warnings if "merged" in told]
    assert warning.startswith("step 2 is not merged: ")
    assert "there is something already" in warning
    assert in_the_way.is_file()


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models, whose merges wait for the file `go`."""
    program = tmp_path / "slow-merge"
    program.write_text(SLOW_MERGE)
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def saved(slow: Path, step: int) -> Saved:
    checkpoint = slow.parent / "adapters" / "name" / f"step-{step:06d}"
    checkpoint.mkdir(parents=True)
    (checkpoint.parent / OWNER).touch()
    return Saved(step=step, path=checkpoint, size_bytes=1)


@pytest.mark.parametrize("keeps_newest_only", [True, False])
def test_a_checkpoint_that_is_overtaken_is_left_out(slow: Path, keeps_newest_only: bool) -> None:
    told: list[str] = []
    merges = Merges(slow.parent / "base", slow, keeps_newest_only, told.append)
    merges.begin(saved(slow, 2))
    until((slow / "begun").exists, "the first merge begins")
    merges.begin(saved(slow, 4))
    merges.begin(saved(slow, 6))
    (slow / "go").touch()
    merges.wait()
    merges.close()
    assert (slow / "begun").read_text().split() == ["name--2_chkpt", "name--6_chkpt"]
    left = sorted(path.name for path in slow.glob("*_chkpt"))
    assert left == (["name--6_chkpt"] if keeps_newest_only else ["name--2_chkpt", "name--6_chkpt"])
    assert told == []


def test_a_run_that_ends_gives_up_what_is_half_merged(slow: Path) -> None:
    told: list[str] = []
    merges = Merges(slow.parent / "base", slow, True, told.append)
    merges.begin(saved(slow, 2))
    until((slow / "begun").exists, "the first merge begins")
    merges.close()
    assert told == ["step 2 is not merged: the run stopped first; `vlad merge` does it at any time"]
    assert sorted(path.name for path in slow.iterdir()) == ["begun"]
