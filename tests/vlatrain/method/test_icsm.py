"""The offline statistics as a whole: against a plain computation, interrupted, repeated, and as a tool."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import StatesAt
from vlatrain.errors import TrainerError
from vlatrain.method import icsm
from vlatrain.method.artifacts import META, open_statistics
from vlatrain.method.icsm import UNFINISHED, Job, bar, compute
from vlatrain.method.probe import ProbeSample, hash_of, open_probe
from vlatrain.method.subspace import directions, split
from vlatrain.model.codec import Codec
from vlatrain.model.openvla import OpenVLA
from vlatrain.tools.cli import main

LAYERS = (1, 2)


def files_of(*layers: int) -> set[str]:
    names = ("U{}_f.pt", "U{}_p.pt", "mu{}.pt", "C_T{}.pt", "X_T{}.pt")
    return {META, *(name.format(layer) for layer in layers for name in names)}


@pytest.fixture
def config(make_set: Callable[..., Path], tmp_path: Path) -> FinetuneConfig:
    root = make_set(*[3] * 60).parent
    return FinetuneConfig(
        probe_root_dir=root,
        data_root_dir=root,
        cache_dir=tmp_path / "cache",
        dataset_name="libero_made",
        probe_dataset_name="libero_made",
        icsm_rank=4,
        icsm_batch_size=4,
        icsm_sensitivity_samples=5,
        icsm_states=StatesAt.INPUT,
        icsm_layer_ids=LAYERS,
    )


@pytest.fixture
def make_job(tiny_model: OpenVLA, tiny_folder: Path, tmp_path: Path) -> Callable[..., Job]:
    def make(config: FinetuneConfig, name: str = "icsm") -> Job:
        return Job(
            config=config,
            folder=tmp_path / name,
            vla=tiny_model,
            codec=Codec.from_folder(tiny_folder),
            probe=open_probe(config),
            device=torch.device("cpu"),
            dtype=torch.float32,
        )

    return make


def told_nothing(message: str) -> None:
    pytest.fail(message)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def hidden_states(job: Job, sample: ProbeSample) -> tuple[list[Tensor], list[int]]:
    """One sample alone, in fp64: the states that enter each layer, [S, D], and where the instruction is."""
    vla, (batch,) = job.vla, list(replace(job, probe=[sample]).batches(0, 1))  # type: ignore[arg-type]
    seen: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _module, args: seen.append(args[0][0]))
        for layer in vla.language_model.model.layers
    ]
    with torch.no_grad():
        vla.language_model.model(vla.embed(batch.pixel_values.to(next(vla.parameters()).dtype), batch.input_ids))
    for hook in hooks:
        hook.remove()
    shift = vla.config.n_patches
    return seen, list(range(int(batch.first) + shift, int(batch.end) + shift))


def plainly(job: Job, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Directions, sensitivities, mean and covariance at a layer: each sample and each direction by itself."""
    samples = [job.probe[place] for place in range(len(job.probe))]
    rows = []
    for sample in samples:
        states, places = hidden_states(job, sample)
        rows.append(states[layer][places].mean(0))
    pooled = torch.stack(rows)
    mean = pooled.mean(0)
    covariance = torch.stack([torch.outer(row - mean, row - mean) for row in pooled]).mean(0)
    _, vectors = torch.linalg.eigh(covariance)
    columns = vectors.flip(1)[:, : job.config.icsm_rank]
    columns = columns * torch.stack([column[column.abs().argmax()].sign() for column in columns.T])
    losses = torch.stack([divergences(job, sample, layer, columns) for sample in samples[:5]])
    return columns, losses.mean(0), mean, covariance


@torch.no_grad()
def divergences(job: Job, sample: ProbeSample, layer: int, columns: Tensor) -> Tensor:
    """Of one sample, a whole pass for each direction."""
    vla, (batch,) = job.vla, list(replace(job, probe=[sample]).batches(0, 1))  # type: ignore[arg-type]
    shift, double = vla.config.n_patches, columns.dtype
    answers = []
    for column in torch.cat((torch.zeros_like(columns[:, :1]), job.config.icsm_epsilon * columns), dim=1).T:
        added = torch.zeros(1, batch.input_ids.shape[1] + shift, len(column), dtype=double)
        added[0, int(batch.first) + shift : int(batch.end) + shift] = column
        hook = vla.language_model.model.layers[layer].register_forward_pre_hook(
            lambda _module, args, added=added: (args[0] + added, *args[1:])
        )
        states = vla.language_model.model(vla.embed(batch.pixel_values.to(double), batch.input_ids))
        hook.remove()
        answers.append(vla.language_model.logits(states[0, -1]).log_softmax(-1))
    before, *after = answers
    return torch.stack([(before.exp() * (before - one)).sum() for one in after])


def test_it_is_what_a_plain_computation_finds(config: FinetuneConfig, make_job: Callable[..., Job]) -> None:
    job = make_job(config)
    folder = compute(job, lambda _: None, told_nothing)
    assert {path.name for path in folder.iterdir()} == files_of(*LAYERS)
    meta = json.loads((folder / META).read_text())
    statistics = open_statistics(folder, 3, 32)
    job.vla.double()
    for layer in LAYERS:
        columns, sensitivities, mean, covariance = plainly(job, layer)
        found = torch.load(folder / f"C_T{layer}.pt", weights_only=True).double()
        torch.testing.assert_close(found, covariance, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(torch.load(folder / f"mu{layer}.pt").double(), mean, rtol=1e-4, atol=1e-5)
        told = torch.tensor(meta["layers"][str(layer)]["sensitivities"], dtype=torch.float64)
        torch.testing.assert_close(told, sensitivities.double(), rtol=5e-2, atol=1e-10)
        order = sensitivities.argsort(descending=True)
        space = statistics.subspace(layer, torch.device("cpu"))
        for found, expected in ((space.fragile, columns[:, order[:2]]), (space.plastic, columns[:, order[-1:]])):
            overlap = (found.double().T @ expected).abs()
            torch.testing.assert_close(overlap, torch.eye(len(overlap), dtype=torch.float64), rtol=0, atol=1e-2)


def test_meta_has_the_original_s_keys_and_ours(config: FinetuneConfig, make_job: Callable[..., Job]) -> None:
    job = make_job(config)
    meta = json.loads((compute(job, lambda _: None, told_nothing) / META).read_text())
    original = {"vla_path", "layer_ids", "r", "epsilon", "probe_hash", "fragile_dim", "plastic_dim", "prompt_template"}
    assert original | {"group_mapping", "commit"} <= set(meta)
    assert (meta["layer_ids"], meta["group_mapping"]["rep_layers"]) == ([1, 2], [2])
    assert meta["probe_hash"] == hash_of(job.probe[place].instruction for place in range(9))
    assert (meta["states"], meta["probe_samples"], meta["sensitivity_samples"]) == ("input", 9, 5)


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


@pytest.mark.parametrize("batches", [1, 3, 4, 6])
def test_an_interrupted_computation_goes_on_to_the_same_bits(
    config: FinetuneConfig, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """Three batches of states, then two for each layer's sensitivities."""
    whole: list[str] = []
    expected = content(compute(make_job(config, "whole"), whole.append, told_nothing))
    assert len(whole) == 7
    monkeypatch.setattr(icsm, "SAVE_EVERY_S", 0.0)
    told: list[str] = []

    def tell(text: str) -> None:
        if len(told) == batches:
            raise Interrupted
        told.append(text)

    with pytest.raises(Interrupted):
        compute(make_job(config), tell, told_nothing)
    rest: list[str] = []
    folder = compute(make_job(config), rest.append, told_nothing)
    assert told + rest == whole
    assert content(folder) == expected


def test_unfinished_work_of_other_settings_or_another_model_counts_as_none(
    config: FinetuneConfig, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icsm, "SAVE_EVERY_S", 0.0)

    def first_batch_only(text: str) -> None:
        raise Interrupted

    job = make_job(config)
    compute(job, lambda _: None, told_nothing)
    for other in (replace(config, icsm_epsilon=2e-3), replace(config, probe_seed=9), None):
        if other is None:
            with torch.no_grad():
                job.vla.projector.fc1.weight[0, 0] += 1
        told: list[str] = []
        with pytest.raises(Interrupted):
            compute(make_job(config), first_batch_only, told_nothing)
        compute(make_job(other or config), told.append, told_nothing)
        assert len(told) == 7
        assert not (job.folder / UNFINISHED).exists()


def test_another_split_of_finished_statistics_is_never_mixed_with_the_old(
    config: FinetuneConfig, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Died while writing: no meta.json, so nobody reads what is half new."""
    job = make_job(config)
    compute(job, lambda _: None, told_nothing)
    monkeypatch.setattr(icsm, "save_layer", lambda *_: (_ for _ in ()).throw(Interrupted))
    with pytest.raises(Interrupted):
        compute(make_job(replace(config, icsm_fragile_dim=2)), lambda _: None, told_nothing)
    with pytest.raises(TrainerError, match="holds no offline statistics"):
        open_statistics(job.folder, 3, 32)


def test_states_behind_the_last_layer_have_no_sensitivity_and_that_is_told(
    config: FinetuneConfig, make_job: Callable[..., Job]
) -> None:
    warnings: list[str] = []
    folder = compute(
        make_job(replace(config, icsm_states=StatesAt.OUTPUT, icsm_layer_ids=None)), lambda _: None, warnings.append
    )
    assert [warning[:8] for warning in warnings] == ["layer 2:"]
    layers = json.loads((folder / META).read_text())["layers"]
    assert not any(layers["2"]["sensitivities"])
    assert all(layers["0"]["sensitivities"])


def test_directions_are_those_along_which_states_spread_longest_first() -> None:
    spread = torch.tensor([[3.0, 0, 0, 0], [0, -5.0, 0, 0], [0, 0, 2.0, 0]])
    states = torch.cat((spread, -spread)) + 7
    basis, values = directions(states, rank=8)
    assert values.tolist() == pytest.approx([5 * 2**0.5, 3 * 2**0.5, 2 * 2**0.5])
    torch.testing.assert_close(basis, torch.eye(4)[:, [1, 0, 2]], rtol=0, atol=1e-6)
    assert directions(states, rank=2)[0].shape == (4, 2)
    with pytest.raises(TrainerError, match="too few to split"):
        directions(torch.ones(5, 4), rank=8)


def test_the_most_sensitive_half_is_fragile_and_the_least_sensitive_quarter_plastic() -> None:
    basis = torch.eye(8)
    space = split(basis, torch.tensor([3.0, 9.0, 1.0, 1.0, 7.0, 5.0, 0.0, 2.0]))
    assert space.fragile.argmax(0).tolist() == [1, 4, 5, 0]
    assert space.plastic.argmax(0).tolist() == [3, 6]
    assert split(basis, torch.zeros(8), 2, 3).fragile.argmax(0).tolist() == [0, 1]
    with pytest.raises(TrainerError, match="only 8 directions are there"):
        split(basis, torch.zeros(8), 6, 3)


def test_the_tool_computes_warns_and_answers_with_the_folder(
    config: FinetuneConfig, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"vla_path: {tiny_folder}\nprobe_root_dir: sets\nprobe_dataset_name: libero_made\nicsm_rank: 4\n")
    words = ["icsm", str(file), "--device", "cpu", "--project_root", str(tmp_path), "--icsm_batch_size=8"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'artifacts' / 'icms_tiny'}\n"
    assert "warning: the probe set has 9 samples, not the 500 of probe_samples" in told.err
    assert "warning: layer 2: no step of its states reaches the answer" in told.err
    assert bar(9, 9, "sensitivities of layer 2") in told.err
    assert {path.name for path in (tmp_path / "artifacts" / "icms_tiny").iterdir()} == files_of(0, 2)
    assert main([*words, "--icsm_rnk", "3"]) == 2
    assert "did you mean icsm_rank?" in capsys.readouterr().err
