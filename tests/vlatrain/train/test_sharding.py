"""A base model spread over two ranks learns, resumes and is evaluated as a whole one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import Run, Workshop, adapter, is_same, trainer_state

SETTINGS: dict[str, Any] = {"max_steps": 6, "save_steps": 3, "keep_checkpoints": 9}
SHARDED: dict[str, Any] = {**SETTINGS, "sharding": "full", "activation_checkpointing": "full"}


def trained(run: Run, *words: str) -> Run:
    assert run.train(*words, ranks=2) == 0, run.jobs[-1].output
    return run


def test_it_learns_what_one_whole_model_learns_and_is_evaluated_by_both_ranks_together(workshop: Workshop) -> None:
    """Ten episodes, three at a time: the ranks ask the model different numbers of times."""
    evaluation = {"enable_periodic_eval": True, "eval_every_steps": 6, "eval_batch_size": 3}
    sharded = trained(workshop.run("sharded", **SHARDED, **evaluation))
    whole = workshop.run("whole", **SETTINGS, **evaluation, batch_size=4)
    assert whole.train_here() == 0
    assert [loss for _, loss, _, _ in sharded.steps] == pytest.approx([loss for _, loss, _, _ in whole.steps], rel=1e-5)
    ours, theirs = adapter(sharded.latest), adapter(whole.latest)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-5)
    [found], [expected] = sharded.evaluations, whole.evaluations
    assert (found.episodes, found.successes, found.failure) == (10, expected.successes, None)


@pytest.mark.slow
def test_a_resume_is_exact(workshop: Workshop) -> None:
    whole = trained(workshop.run("whole", **SHARDED, lora_dropout=0.2))
    parts = trained(workshop.run("parts", **SHARDED, lora_dropout=0.2), "--max_steps", "3")
    trained(parts, *parts.resume())
    assert is_same(adapter(parts.latest), adapter(whole.latest))
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))


def test_a_rank_whose_memory_runs_out_in_a_prediction_goes_on_with_smaller_ones(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """The other rank waits for none of it, asks more often, and gets the answers of a whole model."""
    script = Path(__file__).parents[2] / "support" / "sharded_predictions.py"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launcher, str(script), str(tiny_folder), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert (first["right"], first["remark"]) == ([True] * 3, None)
    assert second["right"] == [True] * 2
    assert second["remark"].startswith("the GPU's memory holds no batch of 4 episodes: 2 at a time")
