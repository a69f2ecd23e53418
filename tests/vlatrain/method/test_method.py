"""Training with the method on: what it changes and what not, what it tells, and that it is taken up exactly."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from method_settings import method_settings
from torch import Tensor
from training_runs import Run, Workshop, adapter, is_same, trainer_state
from vlad.records.progress import Step
from vlatrain.__main__ import main as train_main
from vlatrain.configuration.method import Estimator
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.method.live import method_line
from vlatrain.sim.episode import Episode
from vlatrain.tools.cli import main as tool

USER = Path(__file__).parents[1] / "materials" / "user_method.yaml"
LAYERS = (1, 2)


@pytest.fixture
def train(workshop: Workshop, statistics: Path) -> Callable[..., Run]:
    """Trains in this process, with the method unless told otherwise."""

    def run(name: str, *, method: bool = True, **values: Any) -> Run:
        made = workshop.run(name, method_enabled=method, **method_settings(statistics, **values))
        assert made.train_here() == 0
        return made

    return run


def learned(run: Run) -> tuple[dict[str, Tensor], Any]:
    """The adapter and the optimizer's state at the end."""
    return adapter(run.latest), trainer_state(run.latest)["optimizer"]


def metrics(run: Run) -> list[dict[str, float]]:
    return [line.metrics for line in run.told(Step)]


def test_switched_off_it_is_not_there(train: Callable[..., Run], workshop: Workshop) -> None:
    """Whatever its settings: the same bits as a run that has none of them, and nothing in records or checkpoint."""
    off = train("off", method=False, hsw_beta=0.1, hsw_gamma=0.0, max_steps=4)
    plain = workshop.run("plain", max_steps=4)
    assert plain.train_here() == 0
    assert is_same(learned(off), learned(plain))
    assert off.steps == plain.steps
    assert set(metrics(off)[0]) == {"action_accuracy", "l1_loss"}
    assert trainer_state(off.latest)["vlatrain"]["method"] is None


def test_one_over_one_learns_the_same_bits_as_plain_lora(train: Callable[..., Run]) -> None:
    """Accumulation, dropout, augmentation and clipping included; the drift is measured all the while."""
    common = {"grad_accumulation_steps": 2, "lora_dropout": 0.2, "max_grad_norm": 1.0, "max_steps": 4}
    plain = train("plain", method=False, **common)
    unsteered = train("unsteered", thermostat_mode="fixed", **common)
    assert is_same(learned(plain), learned(unsteered))
    assert [line[1] for line in plain.steps] == [line[1] for line in unsteered.steps]
    assert metrics(unsteered)[0]["g_post"] == metrics(unsteered)[0]["g"] > 0


def test_turned_down_it_learns_otherwise_and_tells_by_how_much(train: Callable[..., Run]) -> None:
    plain = train("plain", method=False, max_steps=2)
    steered = train("steered", thermostat_mode="off", hsw_beta=0.5, hsw_gamma=0.0, max_steps=2)
    assert not is_same(learned(plain)[0], learned(steered)[0])
    for told in metrics(steered):
        assert told["g_post"] == told["g_pre"] < told["g"]
        assert {f"g.{layer}" for layer in LAYERS} | {f"g_post.{layer}" for layer in LAYERS} < set(told)
        assert told["g"] == pytest.approx(sum(told[f"g.{layer}"] for layer in LAYERS) / len(LAYERS))
        assert (told["beta"], told["gamma"]) == (0.5, 0.0)
        assert not {"drift", "baseline", "drift_noise"} & set(told)


@pytest.mark.parametrize("estimator", [str(one) for one in Estimator])
def test_the_thermostat_averages_a_baseline_then_turns_both_down(train: Callable[..., Run], estimator: str) -> None:
    """The model learns fast, so it drifts; at steps 2 and 4 beta and gamma follow the definition."""
    run = train("auto", thermostat_estimator=estimator, thermostat_base_scale=0.5, max_steps=6)
    told = metrics(run)
    warm = [told[step]["drift"] for step in (0, 1)]
    assert [step["beta"] for step in told[:2]] == [1.0, 1.0]
    for step in (2, 3, 4, 5):
        assert told[step]["baseline"] == pytest.approx(sum(warm) / 2)
        excess = max(0.0, told[step]["drift"] - 0.5 * told[step]["baseline"])
        assert told[step]["beta"] == pytest.approx(max(0.2, 1 / (1 + 5 * excess)))
        assert told[step]["gamma"] == pytest.approx(max(0.1, 1 / (1 + 1 * excess)))
    assert told[2]["drift"] == told[3]["drift"] != told[4]["drift"]
    assert told[5]["beta"] < 1
    assert (told[0]["drift_noise"] == 0) == (estimator == "paired")
    assert (told[0]["drift"] > 1e-4) == (estimator == "original")


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(train: Callable[..., Run], workshop: Workshop) -> None:
    """Stopped between two logged steps and between two measurements, with a window of probe batches."""
    values = {
        "log_every_steps": 3,
        "lora_dropout": 0.2,
        "grad_accumulation_steps": 2,
        "thermostat_window": 2,
        "thermostat_update_interval": 3,
        "save_steps": 4,
    }
    whole = train("whole", max_steps=8, **values)
    first = train("first", max_steps=8, **values)
    again = workshop.run("again", **{**first.settings, "resume_adapter_dir": str(first.folder / "step-000004")})
    assert again.train_here() == 0
    assert is_same(learned(whole), learned(again))
    assert is_same(trainer_state(whole.latest)["vlatrain"], trainer_state(again.latest)["vlatrain"])
    assert [line[1:] for line in again.steps] == [line[1:] for line in whole.steps if line[0] > 4]
    assert not [warning for warning in again.warnings if "Thermostat" in warning]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"method": False}, {}, "the checkpoint says nothing of it"),
        ({}, {"probe_batch_size": 2}, "the checkpoint measured it in another way"),
        ({"thermostat_mode": "off"}, {}, "the checkpoint says nothing of it"),
        ({}, {"thermostat_mode": "off"}, None),
    ],
)
def test_a_drift_that_was_not_measured_so_begins_anew_and_says_it(
    train: Callable[..., Run], workshop: Workshop, before: dict[str, Any], after: dict[str, Any], told: str | None
) -> None:
    first = train("first", max_steps=4, **before)
    values = {**first.settings, "method_enabled": True, "thermostat_mode": "auto", "max_steps": 5, **after}
    again = workshop.run("again", **values, resume_adapter_dir=str(first.latest))
    assert again.train_here() == 0
    warnings = [warning for warning in again.warnings if "begins anew" in warning]
    assert len(warnings) == (told is not None)
    assert all(warning.endswith(str(told)) for warning in warnings)


def test_two_ranks_measure_one_drift_and_learn_together(workshop: Workshop, statistics: Path) -> None:
    """The probe batch is shared: the drift before the first step is that of one rank."""
    values = method_settings(statistics, grad_accumulation_steps=2, max_steps=3, method_enabled=True)
    two = workshop.run("two", **values)
    assert two.train(ranks=2) == 0, two.jobs[-1].output
    one = workshop.run("one", **values)
    assert one.train_here() == 0
    assert metrics(two)[0]["drift"] == pytest.approx(metrics(one)[0]["drift"], rel=1e-5)
    assert metrics(two)[0]["g"] != metrics(one)[0]["g"]
    ranks = trainer_state(two.latest)["vlatrain"]["ranks"]
    assert [rank["method"]["count"] for rank in ranks] == [0, 0]
    assert any("the probe set is the training set" in warning for warning in two.warnings)


LINE = re.compile(
    r"\[method\] step 3 lr 0\.01 loss -?[\d.]+ sec/step [\d.]+ d [\d.]+ base [\d.]+ beta [\d.]+ gamma [\d.]+ g [\d.]+ "
    r"gpre [\d.]+ gpost [\d.]+ scale [\d.]+ gf [\d.]+ gp [\d.]+ gn [\d.]+"
)


def test_the_log_has_the_original_s_line(train: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    train("logged", max_steps=3)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[method] step 3 ")]
    assert len(lines) == 1
    assert LINE.fullmatch(lines[0]), lines[0]


def test_the_line_leaves_out_what_is_not_known() -> None:
    line = method_line(10, 2e-4, 1.23456789, 0.51239, {"beta": 0.5, "gamma": 1.0, "g": 2.0, "g.30": 2.0})
    assert line == "[method] step 10 lr 0.0002 loss 1.234568 sec/step 0.512 beta 0.5 gamma 1.0 g 2.0"


MISTAKES = {
    "no statistics": ({"icms_artifact_dir": "nowhere"}, "nowhere: holds no offline statistics"),
    "a layer beyond the last": ({"hsw_layer_ids": "3"}, "--hsw_layer_ids 3: the model has 3 layers"),
    "a layer named from both ends": ({"hsw_layer_ids": "-1,2"}, "names a layer from both ends"),
    "a probe that is not there": ({"probe_dataset_name": "bridge_orig"}, "--probe_dataset_name bridge_orig"),
    "too few samples": (
        {"thermostat_estimator": "shrinkage", "probe_batch_size": "2"},
        "--thermostat_estimator shrinkage: 2 samples",
    ),
    "a probe of other samples": (
        {"thermostat_estimator": "paired", "probe_seed": "8"},
        "--thermostat_estimator paired: the statistics in",
    ),
}


@pytest.mark.parametrize(("values", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_one_line_and_status_2(
    workshop: Workshop, statistics: Path, capsys: pytest.CaptureFixture[str], values: dict[str, str], told: str
) -> None:
    run = workshop.run("wrong", method_enabled=True, **{**method_settings(statistics), **values})
    assert run.train_here() == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("vlatrain: ")
    assert told in last


def test_the_user_s_configuration_runs_with_its_paths_set(
    statistics: Path,
    shared_project: Path,
    tmp_path: Path,
    make_episode: Callable[[int, int], Episode],
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a tiny base without a simulator, until it is told to stop."""
    name = "libero_spatial_no_noops"
    write_rlds(tmp_path / "data", name, (make_episode(number, 4) for number in range(40)), 1)
    run = workshop.run("user")
    places = {
        "vla_path": shared_project / "base",
        "data_root_dir": tmp_path / "data",
        "probe_root_dir": tmp_path / "data",
        "icms_artifact_dir": tmp_path / "icsm",
        "resume_adapter_dir": "null",
        **{f"{one}_dir": tmp_path / one for one in ("cache", "artifact", "run_root", "adapter_tmp", "tmp")},
    }
    words = [f"--{field}={value}" for field, value in places.items()]
    assert tool(["icsm", str(USER), *words, "--device=cpu"]) == 0
    monkeypatch.setenv("VLAD_RUN_DIR", str(run.directory.path))
    monkeypatch.setenv("VLAD_FAILPOINTS", "step_3:term")
    assert train_main([str(USER), *words, "--enable_periodic_eval=false", "--device=cpu"], os.environ) == 0
    assert run.finished.stopped
    told = metrics(run)
    assert len(told) == 3
    assert {"drift", "baseline", "beta", "gamma", "g_pre", "g_post", "g.1", "g.2"} <= set(told[-1])
    assert "[method] step 3 lr " in capsys.readouterr().out
    assert json.loads((tmp_path / "icsm" / "meta.json").read_text())["group_mapping"]["group_b"] == [1, 2]
