"""Foretelling the hand's state while training: learned, told, resumed to the bit, and nowhere in what is exported."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from training_runs import Run, Workshop, adapter, is_same, train_state, trainer_state
from vlatrain.configuration.resolve import resolve
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.fast.levers import Levers
from vlatrain.fast.pass_graphs import PassGraphs
from vlatrain.model.checkpoint_files import load_base
from vlatrain.sim.episode import Episode
from vlatrain.sim.tabletop import demonstrations
from vlatrain.tools.cli import main as tool
from vlatrain.train.session import open_session

STATES = "libero_states"
SETTINGS: dict[str, Any] = {
    "dataset_name": STATES,
    "proprio_loss_weight": 0.5,
    "lora_dropout": 0.2,
    "grad_accumulation_steps": 2,
    "max_grad_norm": 1.0,
    "log_every_steps": 3,
    "save_steps": 2,
    "max_steps": 4,
    "keep_checkpoints": 10,
}
WHOLE: dict[str, Any] = {"use_lora": False, "lora_dropout": 0.0, "learning_rate": 1e-3}
PLAIN = ("--proprio_loss_weight", "0")


def episode(number: int, frames: int = 10) -> Episode:
    """The hand is a white square on a black table; its state says where."""
    draws = np.random.default_rng(number)
    places = draws.integers(0, 20, (frames, 2))
    images = np.zeros((frames, 28, 28, 3), np.uint8)
    for image, (row, column) in zip(images, places, strict=True):
        image[row : row + 8, column : column + 8] = 255
    states = np.zeros((frames, 8), np.float32)
    states[:, :2] = places / 20
    return Episode(
        task=f"task {number}",
        instruction=f"Put the block {number % 3} in the bowl",
        images=images,
        actions=draws.uniform(-1, 1, (frames, 7)).astype(np.float32),
        states=states,
    )


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    write_rlds(root, STATES, map(episode, range(4)), 1)
    return root


@pytest.fixture
def run_of(datasets: Path, workshop: Workshop) -> Any:
    def made(name: str, **settings: Any) -> Run:
        return workshop.run(name, **{**SETTINGS, "data_root_dir": str(datasets), **settings})

    return made


def trained(run: Run, *words: str) -> Run:
    assert run.train_here(*words) == 0
    return run


def head_of(checkpoint: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = trainer_state(checkpoint)["vlatrain"]["proprio_head"]
    return found


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="adapters"),
        pytest.param({**WHOLE, "ema_decay": 0.9}, id="all weights and their mean"),
        pytest.param({"precision": "bf16", "image_aug": False}, id="bf16"),
    ],
)
def test_stopped_and_resumed_is_never_stopped(run_of: Any, settings: dict[str, Any]) -> None:
    """The checkpoint lies between two logged steps, so that what is averaged goes on, too."""
    whole, parts = trained(run_of("whole", **settings)), run_of("parts", **settings)
    trained(parts, "--resume_adapter_dir", str(whole.folder / "step-000002"))
    assert parts.steps == whole.steps
    assert parts.warnings == []
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))
    assert is_same(weights(parts.latest), weights(whole.latest))
    assert train_state(parts.latest) == train_state(whole.latest)
    assert len(head_of(whole.latest)["optimizer"]) == len(head_of(whole.latest)["weights"])


def weights(checkpoint: Path) -> dict[str, Tensor]:
    [file] = checkpoint.glob("*.safetensors")
    return load_file(file)


RANKS: dict[str, Any] = {"lora_dropout": 0.0, "learning_rate": 1e-3}


def test_two_ranks_learn_what_one_learns_of_the_samples_of_both(run_of: Any) -> None:
    two, one = run_of("two", **RANKS), run_of("one", **RANKS)
    assert two.train(ranks=2) == 0, two.jobs[-1].output
    trained(one, "--batch_size", "4")
    for (_, _, _, ours), (_, _, _, theirs) in zip(two.steps, one.steps, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.slow
def test_two_ranks_resume_exactly(run_of: Any) -> None:
    whole, parts = run_of("whole"), run_of("parts")
    assert whole.train(ranks=2) == 0, whole.jobs[-1].output
    resume = ("--resume_adapter_dir", str(whole.folder / "step-000002"))
    assert parts.train(*resume, ranks=2) == 0, parts.jobs[-1].output
    assert parts.steps == whole.steps
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))


def test_checkpoints_are_those_of_a_run_without_it_but_for_the_trainer_s_own_part(run_of: Any) -> None:
    settings = {"max_steps": 1, "save_steps": 1}
    ours, plain = trained(run_of("ours", **settings)), trained(run_of("plain", **settings, proprio_loss_weight=0.0))
    assert sorted(path.name for path in ours.latest.iterdir()) == sorted(path.name for path in plain.latest.iterdir())
    assert adapter(ours.latest).keys() == adapter(plain.latest).keys()
    one, other = (trainer_state(run.latest) for run in (ours, plain))
    assert one["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    assert one["optimizer"]["state"].keys() == other["optimizer"]["state"].keys()
    assert other["vlatrain"]["proprio_head"] is None
    model = trained(run_of("model", **settings, **WHOLE)).latest
    assert load_base(model).config == load_base(ours.project / "base").config


def test_a_checkpoint_without_a_head_is_gone_on_from(run_of: Any) -> None:
    """The model's optimizer goes on too; only what foretells begins anew, and one line says so."""
    run = trained(run_of("a"), "--max_steps", "2", *PLAIN)
    before = trainer_state(run.latest)["optimizer"]["state"]
    trained(run, *run.resume())
    [told] = run.warnings
    assert "what foretells the hand's state starts anew" in told
    after = trainer_state(run.latest)["optimizer"]["state"]
    assert {number: float(one["step"]) for number, one in after.items()} == dict.fromkeys(before, 4.0)
    assert [float(one["step"]) for one in head_of(run.latest)["optimizer"]] == [2.0] * len(
        head_of(run.latest)["weights"]
    )


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_head_that_is_no_longer_wanted_is_left_behind(run_of: Any, ema_decay: float) -> None:
    run = trained(run_of("a", **WHOLE, ema_decay=ema_decay), "--max_steps", "2")
    trained(run, *run.resume(), *PLAIN)
    assert run.warnings == []
    assert head_of(run.latest) is None
    assert "proprio_loss" not in run.steps[-1][3]


def test_it_is_told_and_moves_the_towers(run_of: Any, capfd: pytest.CaptureFixture[str]) -> None:
    settings = {**WHOLE, "max_steps": 2, "save_steps": 2, "log_every_steps": 1, "trackers": "tensorboard"}
    ours = trained(run_of("ours", **settings))
    printed = capfd.readouterr().out
    plain = trained(run_of("plain", **settings, proprio_loss_weight=0.0))
    _, loss, _, metrics = ours.steps[0]
    assert f"proprio={metrics['proprio_loss']:.4f} sec/step=" in printed
    assert "proprio" not in capfd.readouterr().out
    assert plain.steps[0][1] == loss, "the loss that is told is that of the actions, whatever else is learned"
    assert plain.steps[0][3] == {name: value for name, value in metrics.items() if name != "proprio_loss"}
    [events] = (ours.project / "runs").glob("*/tensorboard/*/events*")
    assert b"train/proprio_loss" in events.read_bytes()
    tower = "vision_backbone.featurizer.blocks.0.attn.qkv.weight"
    assert not torch.equal(weights(ours.latest)[tower], weights(plain.latest)[tower])


def test_it_learns_to_see_the_hand(run_of: Any) -> None:
    settings = {**WHOLE, "image_aug": False, "batch_size": 16, "grad_accumulation_steps": 1, "log_every_steps": 20}
    steps = {"max_steps": 120, "save_steps": 120, "learning_rate": 3e-3}
    run = trained(run_of("a", **{**settings, **steps, "proprio_loss_weight": 1.0}))
    errors = [metrics["proprio_loss"] for _, _, _, metrics in run.steps]
    assert errors[-1] < 0.5 * errors[0]


def test_evaluations_ask_the_model_without_the_head(run_of: Any) -> None:
    config = resolve(run_of("a", **WHOLE)._config(), {}, {}).config
    with open_session(config) as session:
        learner = session.learner
        assert learner.proprio_head is not None
        own = {id(one) for one in learner.proprio_head.parameters()}
        assert not own & {id(one) for one in learner.vla.parameters()}
        assert not own & {id(one) for one in learner.weights}
        assert own < {id(one) for one in learner.trained}
        session.checkpoints.close()


def test_passes_that_are_captured_learn_the_same(run_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything of captured passes but the capturing, which takes a GPU."""
    settings = {"lora_dropout": 0.0, "learning_rate": 1e-3}
    plain = trained(run_of("plain", **settings))
    monkeypatch.setattr("vlatrain.train.learner.levers", lambda *_: Levers(fused_lora=True, cuda_graph=True))
    monkeypatch.setattr("vlatrain.train.learner.side_stream", lambda _: None)
    monkeypatch.setattr("vlatrain.train.learner.PassGraphs", partial(PassGraphs, capture=lambda work: work))
    captured = trained(run_of("captured", **settings))
    for (_, loss, _, ours), (_, expected, _, theirs) in zip(captured.steps, plain.steps, strict=True):
        assert loss == pytest.approx(expected, rel=1e-4)
        assert ours == pytest.approx(theirs, rel=1e-3)
    ours, theirs = head_of(captured.latest)["weights"], head_of(plain.latest)["weights"]
    for name, weight in theirs.items():
        if name != "look.bias":  # a softmax over patches does not see it: AdamW takes steps by the sign of rounding
            torch.testing.assert_close(ours[name], weight, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("sees", [False, True], ids=["foretold", "an input"])
def test_the_tabletop_tells_states_to_learn_from_and_to_see(workshop: Workshop, tmp_path: Path, sees: bool) -> None:
    data = write_rlds(tmp_path / "sets", "tabletop_new", demonstrations("tabletop_new", 4, 0), 1)
    sizes = ["--width", "64", "--depth", "1", "--vision-width", "64", "--vision-depth", "1", "--image-size", "32"]
    words = ["--data", str(data), "--out", str(tmp_path / "small"), *sizes, *(["--proprio"] * sees)]
    assert tool(["fresh", *words]) == 0
    evaluation = {"enable_periodic_eval": True, "eval_every_steps": 1, "eval_tasks": [0], "save_steps": 1}
    inputs = {"use_proprio": True} if sees else {"proprio_loss_weight": 0.1}
    places = {"vla_path": str(tmp_path / "small"), "data_root_dir": str(data.parent), "dataset_name": "tabletop_new"}
    run = workshop.trained("b", **{**WHOLE, **places, **evaluation, **inputs, "max_steps": 1})
    assert [seen.episodes for seen in run.evaluations] == [1]
    assert ("proprio_loss" in run.steps[0][3]) is not sees


def test_a_loss_that_is_no_number_writes_no_checkpoint(
    run_of: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = torch.nn.functional.smooth_l1_loss
    monkeypatch.setattr("torch.nn.functional.smooth_l1_loss", lambda *of, **how: whole(*of, **how) * torch.nan)
    run = run_of("a", max_steps=1, save_steps=1)
    assert run.train_here() == 1
    assert "loss is nan at step 1 on rank 0" in capfd.readouterr().err
    assert run.saved_steps == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_proprio": True}, "--proprio_loss_weight 0.5: use_proprio true gives the model the answer"),
        ({"method_enabled": True}, "--proprio_loss_weight 0.5: the method steers the loss of the actions alone"),
        ({"proprio_loss_weight": -1.0}, "--proprio_loss_weight -1.0: it must be at least 0"),
    ],
    ids=["it is an input", "the method", "negative"],
)
def test_what_it_cannot_go_with_is_refused(
    run_of: Any, settings: dict[str, Any], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_of("a", **settings).train_here() == 2
    assert told in capfd.readouterr().err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"proprio_loss_weight": 0.5},
            "--proprio_loss_weight 0.5: the data set libero_made knows no states of the hand",
        ),
        (
            {"use_proprio": True},
            "--use_proprio true: the data set libero_made knows no states of the hand; set it false",
        ),
    ],
    ids=["to be foretold", "an input"],
)
def test_a_data_set_without_states_is_refused_before_anything_is_loaded(
    workshop: Workshop, settings: dict[str, Any], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run = workshop.run(**settings)
    assert run.train_here() == 2
    printed = capfd.readouterr()
    assert told in printed.err
    assert "loading" not in printed.err
    assert not (run.project / "adapter-tmp").exists()


def test_one_that_does_not_describe_itself_is_refused_when_it_is_read(
    workshop: Workshop, make_set: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    data = make_set(4, 5)
    (data / "1.0.0" / "features.json").unlink()
    assert workshop.run(proprio_loss_weight=0.5, data_root_dir=str(data.parent)).train_here() == 2
    assert "knows no states of the hand" in (told := capfd.readouterr().err)
    assert "proprio_loss_weight 0" in told
