"""benchmarks/libero_campaign.py, whole and small: calls that are cut short, what goes on between them, what is kept."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import fake_simulator
import psutil
import pytest
from patience import PATIENCE_S, Patience

ROOT = Path(__file__).resolve().parents[3]
SMALL = "--width 64 --depth 1 --vision-width 64 --vision-depth 1 --image-size 32"
RECIPES = ["libero_small", "libero_small_published,proprio_loss_weight=0.5"]
NAMES = ["libero_small", "libero_small_published-proprio_loss_weight-0-5"]
SETTINGS = [
    *("device=cpu", "precision=fp32", "batch_size=4", "num_workers=1", "sim_workers=1", "log_every_steps=20"),
    *("eval_max_steps=3", "eval_num_trials_per_task=1", "eval_batch_size=1", "eval_videos=none"),
]


def call(out: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    words = [str(out), "--episodes", "4", "--demos", "--workers 1 --limit 20", "--fresh", SMALL, "--train-s", "1"]
    words += [
        "--trials",
        "2",
        "--simulators",
        "1",
        "--call-s",
        "5",
        "--keep",
        str(out / "keep"),
        "--model",
        "libero_small",
        "--recipes",
        *RECIPES,
    ]
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "libero_campaign.py"), *words, "--set", *SETTINGS],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_campaign_goes_on_call_by_call_until_both_recipes_are_measured(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fake = str(fake_simulator.fake_python(tmp_path))
    environment = {**os.environ, "VLAD_SIM_PYTHON": fake, "OMP_NUM_THREADS": "1", "VLAD_HOME": str(out / "home")}
    done = call(out, environment)
    assert done.returncode == 75, done.stderr
    patience = Patience(lambda: f"the end of the campaign\n{done.stdout}{done.stderr}", 2 * PATIENCE_S)
    while done.returncode == 75:
        patience.spend()
        done = call(out, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NAMES:
        told = json.loads((out / f"{name}.json").read_text())
        assert (told["successes"], told["episodes"]) == (3, 6)  # of the even trials
    kept = list((out / "keep").iterdir())
    assert (out / "keep" / "model.tar.00").is_file()
    assert len(kept) <= 8
    assert all(path.stat().st_size <= 16 * 2**20 for path in kept)
    with tarfile.open(out / "keep" / "journals.tar.gz") as journals:
        names = journals.getnames()
    assert sum(name.endswith("evaluations.jsonl") for name in names) >= 2
    assert {f"{name}.json" for name in NAMES} <= set(names)
    logs = [log.read_text() for log in out.glob("home/runs/*/attempts/*/console.log")]
    assert [" proprio=" in log for log in logs].count(True) == 1
    assert not [
        one
        for one in psutil.process_iter(["environ"])
        if (one.info["environ"] or {}).get("VLAD_HOME") == str(out / "home")
    ]
