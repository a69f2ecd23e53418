"""The tool `evaluate`: a checkpoint on its own, measured as its run would measure it."""

from pathlib import Path

import msgspec
import pytest
from training_runs import Workshop
from vlad.records.progress import Evaluation
from vlatrain.tools.cli import main


def test_a_checkpoint_is_measured_as_in_its_run(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    run = workshop.run(max_steps=2, save_steps=2, enable_periodic_eval=True, eval_every_steps=2)
    assert run.train_here() == 0
    capsys.readouterr()
    file = run.project / "result.json"
    config = str(run.directory.path / "config.yaml")
    assert main(["evaluate", str(run.folder), config, f"--result={file}"]) == 0
    record = msgspec.json.decode(file.read_bytes(), type=Evaluation)
    [measured] = run.evaluations
    assert (record.step, record.suite, record.checkpoint) == (2, "tabletop_new", str(run.latest))
    assert (record.successes, record.episodes, record.tasks) == (measured.successes, 10, measured.tasks)
    told = capsys.readouterr().out
    assert f"tabletop_new: {record.successes}/10" in told
    assert "--step2.txt" in told


def test_what_holds_no_model_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(tmp_path), "--eval_task_suite_name=tabletop_new", "--device=cpu"]
    assert main(words) == 2
    assert "holds neither an adapter" in capsys.readouterr().err
    assert main(["evaluate", "--device=cpu"]) == 2
    assert "name a checkpoint first" in capsys.readouterr().err
