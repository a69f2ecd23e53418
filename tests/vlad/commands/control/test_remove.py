"""Removing runs: what lives stays, and so does the best checkpoint unless told otherwise."""

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import Story, Vlad
from supervised_runs import Lab, kill_both
from vlad.records.progress import CheckpointSaved
from vlad.records.run import State
from vlad.records.spec import Predecessor
from vlad.supervise import locks


def checkpoint(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "manifest.json").write_text(json.dumps({"step": 1, "saved_at": 1.0, "files": {}}))
    (path / "adapter_model.safetensors").write_bytes(bytes(10_000))
    return path


def ended(lab: Lab, name: str, *saved: Path, best: Path | None = None, days: float = 1, **spec: Any) -> Story:
    """A run of the past that reported these checkpoints."""
    story = Story(lab, name, **spec).attempt(b"log")
    lines = [
        CheckpointSaved(at=1, step=step, path=str(path), is_best=path == best)
        for step, path in enumerate(saved, start=1)
    ]
    story.reported(*lines).ended(code=0).moved(State.SUCCEEDED)
    at = time.time() - days * 86400
    story.run.write_record(msgspec.structs.replace(story.run.read_record(), ended_at=at))
    return story


def test_a_run_is_removed_with_its_logs_and_nothing_else(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "adapters" / "step-1")
    first, second = ended(lab, "first", path), ended(lab, "second")
    answer = vlad("rm", "first")
    assert (answer.code, "first" in answer.err) == (0, True)
    assert lab.home.run_ids() == [second.run.run_id]
    assert not first.run.path.exists()
    assert [entry.name for entry in lab.home.runs.iterdir()] == [second.run.run_id]
    assert path.exists()


def test_checkpoints_go_where_asked_but_not_the_best(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    paths = [checkpoint(tmp_path / "adapters" / f"step-{step}") for step in (1, 2, 3)]
    ended(lab, "first", *paths, best=paths[1])
    planned = vlad("rm", "--checkpoints", "--dry-run", "--json", "first").json
    assert planned[0]["checkpoints"] == [str(paths[0]), str(paths[2])]
    assert planned[0]["size_bytes"] > 20_000
    assert all(path.exists() for path in paths)
    answer = vlad("rm", "--checkpoints", "first")
    assert [path.exists() for path in paths] == [False, True, False]
    assert f"stays: {paths[1]}: the best of its run" in answer.err


def test_the_best_goes_when_told(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "step-1")
    ended(lab, "first", path, best=path)
    assert vlad("rm", "--checkpoints", "--best-too", "first").code == 0
    assert not path.exists()


def test_a_best_checkpoint_inside_the_run_keeps_the_run(vlad: Vlad, lab: Lab) -> None:
    story = ended(lab, "first")
    inside = checkpoint(story.run.path / "adapters" / "step-1")
    story.reported(CheckpointSaved(at=1, step=1, path=str(inside), is_best=True))
    refused = vlad("rm", "first")
    assert (refused.code, "--best-too" in refused.err) == (2, True)
    assert inside.exists()
    assert vlad("rm", "--best-too", "first").code == 0
    assert not inside.exists()


def test_checkpoints_that_another_run_needs_stay(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    paths = [checkpoint(tmp_path / f"step-{step}") for step in (1, 2, 3)]
    ended(lab, "first", *paths, best=paths[2])
    ended(lab, "second", resume_from=str(paths[0]))
    ended(lab, "third", paths[1])
    vlad("rm", "--checkpoints", "first")
    assert all(path.exists() for path in paths)
    vlad("rm", "--checkpoints", "--best-too", "second", "third")
    assert [path.exists() for path in paths] == [True, False, True]


def test_only_what_looks_like_a_checkpoint_is_ever_removed(vlad: Vlad, lab: Lab, tmp_path: Path) -> None:
    """A program may report anything, by mistake or not."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").touch()
    (precious / "manifest.json").write_text('{"name": "a web page"}')
    paths = [precious, tmp_path, Path("/"), Path("relative"), tmp_path / "none"]
    ended(lab, "first", *paths)
    answer = vlad("rm", "--checkpoints", "--best-too", "first")
    assert answer.code == 0
    assert (precious / "thesis.tex").exists()
    assert "does not look like a checkpoint of ours" in answer.err


def test_a_live_run_is_never_removed(vlad: Vlad, lab: Lab) -> None:
    run = vlad.started("--name", "alive", "--", "sleep", "600")
    run.until_state(State.RUNNING)
    for words in (("rm", "alive"), ("rm", "alive", "--checkpoints", "--best-too")):
        answer = vlad(*words)
        assert (answer.code, "vlad stop" in answer.err) == (2, True)
    vlad("prune", "--keep", "0", "--yes")
    kill_both(run)
    assert vlad("rm", "alive").code == 2
    vlad("prune", "--keep", "0", "--yes")
    assert run.record.state is State.RUNNING
    assert run.workers()


def test_an_ended_run_that_is_still_guarded_or_leaves_a_process_is_not_removed(vlad: Vlad, lab: Lab) -> None:
    story = ended(lab, "first")
    for path in (story.run.keeper_lock, story.run.lock):
        handle = locks.open_lock(path)
        locks.try_lock(handle)
        assert vlad("rm", "first").code == 2
        os.close(handle)
    assert vlad("rm", "first").code == 0


def test_a_run_that_another_is_to_follow_stays(vlad: Vlad, lab: Lab) -> None:
    first = ended(lab, "first")
    Story(lab, "second", after=(Predecessor(run_id=first.run.run_id),))
    answer = vlad("rm", "first")
    assert (answer.code, "is to follow" in answer.err) == (2, True)


def test_a_run_whose_records_are_damaged_can_be_removed_by_name_only(vlad: Vlad, lab: Lab) -> None:
    story = ended(lab, "first")
    story.run.state.write_text("{")
    story.run.events.write_text("")
    assert "stays" in vlad("prune", "--keep", "0", "--yes").err
    assert story.run.path.exists()
    assert vlad("rm", story.run.run_id).code == 0


def test_parts_go_and_stay_with_their_run_and_count_for_no_rule(vlad: Vlad, lab: Lab) -> None:
    old, new = ended(lab, "old", days=9), ended(lab, "new", days=8)
    parts = [ended(lab, f"part{number}", part_of=story.run.run_id).run for number, story in enumerate((old, new, new))]
    orphan = ended(lab, "orphan", days=20, part_of="20261122-0931-gone-7f3a")
    vlad("prune", "--keep", "1", "--yes")
    assert set(lab.home.run_ids()) == {new.run.run_id, parts[1].run_id, parts[2].run_id}
    assert not orphan.run.path.exists()
    vlad("rm", "new")
    assert lab.home.run_ids() == []


def test_a_run_with_a_live_part_is_not_removed(vlad: Vlad, lab: Lab) -> None:
    whole = ended(lab, "whole")
    part = Story(lab, "part", part_of=whole.run.run_id).attempt().run
    refused = vlad("rm", "whole")
    assert (refused.code, f"{part.run_id} is RUNNING; `vlad stop {part.run_id}` ends it" in refused.err) == (2, True)
    pruned = vlad("prune", "--keep", "0", "--yes")
    assert f"stays: {whole.run.run_id}, for which {part.run_id} still works" in pruned.err
    assert whole.run.path.exists()


def test_prune_keeps_what_any_rule_keeps(vlad: Vlad, lab: Lab) -> None:
    stories = [ended(lab, f"days-{days}", days=days) for days in (40, 10, 3, 1)]
    assert vlad("prune", "--keep", "1", "--keep", "20d", "--dry-run").code == 0
    assert len(lab.home.run_ids()) == 4
    vlad("prune", "--keep", "1", "--keep", "20d", "--yes")
    assert [story.run.path.exists() for story in stories] == [False, True, True, True]
    vlad("prune", "--keep", "2", "--yes")
    assert [story.run.path.exists() for story in stories] == [False, False, True, True]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "is_removed"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_prune_asks(vlad: Vlad, lab: Lab, monkeypatch: pytest.MonkeyPatch, typed: str, is_removed: bool) -> None:
    story = ended(lab, "first")
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    answer = vlad("prune", "--keep", "0")
    assert "remove 1 run (" in answer.err
    assert story.run.path.exists() is not is_removed
    assert answer.code == (0 if is_removed else 1)


def test_prune_removes_nothing_where_nobody_can_be_asked(vlad: Vlad, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    story = ended(lab, "first")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    answer = vlad("prune", "--keep", "0")
    assert (answer.code, "--yes" in answer.err) == (2, True)
    assert story.run.path.exists()


def test_what_a_killed_removal_left_goes_with_the_next(vlad: Vlad, lab: Lab) -> None:
    ended(lab, "first")
    half = lab.home.runs / ".20261122-0931-gone-7f3a.removed"
    half.mkdir()
    assert vlad("rm", "first").code == 0
    assert not half.exists()
