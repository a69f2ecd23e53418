"""How far the covariances of the instruction have drifted, and who measures it."""

import math
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from patience import PATIENCE_S
from torch import Tensor
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import Estimator, StatesAt, ThermostatMode
from vlatrain.distributed import Ranks
from vlatrain.method.artifacts import open_statistics
from vlatrain.method.drift import DriftMeter, Student
from vlatrain.method.live import LiveMethod, open_method
from vlatrain.method.probe import open_probe, probe_batch
from vlatrain.method.states import instruction_states
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec

CPU = torch.device("cpu")


@pytest.fixture
def config(statistics: Path, shared_project: Path, tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(
        icms_artifact_dir=statistics,
        probe_root_dir=shared_project / "datasets",
        data_root_dir=shared_project / "datasets",
        cache_dir=tmp_path / "cache",
        probe_dataset_name="libero_made",
        probe_batch_size=4,
        vla_path="base",
        hsw_layer_ids=(-2, -1),
    )


@pytest.fixture
def student(shared_project: Path) -> Student:
    """The base with every weight a little different."""
    vla = load_base(shared_project / "base").eval()
    with torch.no_grad():
        for parameter in vla.parameters():
            parameter.mul_(1.01)
    return Student(vla=vla, codec=Codec.from_folder(shared_project / "base"), device=CPU, dtype=torch.float32)


def meter(config: FinetuneConfig, student: Student, ranks: Ranks | None = None) -> DriftMeter:
    assert config.icms_artifact_dir is not None
    statistics = open_statistics(config.icms_artifact_dir, 3, 32)
    return DriftMeter(
        config=config, student=student, probe=open_probe(config), statistics=statistics, ranks=ranks or Ranks()
    )


def covariance(x: Tensor) -> Tensor:
    centred = x.double() - x.double().mean(0)
    return centred.T @ centred / len(x)


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("estimator", [Estimator.ORIGINAL, Estimator.PAIRED])
def test_the_drift_is_the_mean_distance_of_covariance_matrices(
    config: FinetuneConfig, student: Student, estimator: Estimator, window: int
) -> None:
    """Sample after sample through the model, D x D matrices, as the original program has it."""
    config = replace(config, thermostat_estimator=estimator, thermostat_window=window)
    measuring = meter(config, student)
    found = [measuring.measure(number) for number in range(4)][-1]
    places = [place % 42 for place in range((4 - window) * 4, 16)]
    samples = [measuring.probe[place] for place in places]
    rows = [probe_batch([one], config.prompt_template, student.codec, CPU, torch.float32) for one in samples]
    states = torch.cat([instruction_states(student.vla, row, (2,), StatesAt.INPUT) for row in rows])[:, 0]
    known = measuring.statistics.states(2)
    assert known is not None
    teacher = covariance(known if estimator is Estimator.ORIGINAL else known[places])
    assert found == pytest.approx(float((covariance(states) - teacher).norm()), rel=1e-4)


class ThreadRanks(Ranks):
    """Ranks that are threads of this process."""

    barrier = threading.Barrier(3)
    parts: tuple[list[Tensor | None], ...] = ([None] * 3,)

    def gather_tensors(self, own: Tensor) -> list[Tensor]:
        self.parts[0][self.rank] = own
        self.barrier.wait(PATIENCE_S)
        whole = [part for part in self.parts[0] if part is not None]
        self.barrier.wait(PATIENCE_S)
        return whole


def test_ranks_share_a_probe_batch_whatever_its_size(config: FinetuneConfig, student: Student) -> None:
    """Four samples among three ranks, of which one runs two; all come to the drift of a single rank."""
    alone = meter(config, student)
    expected = [alone.measure(number) for number in range(2)]
    found: dict[int, list[float]] = {}
    meters = [meter(config, student, ThreadRanks(rank=rank, world_size=3)) for rank in range(3)]

    def measure(rank: int) -> None:
        found[rank] = [meters[rank].measure(number) for number in range(2)]

    threads = [threading.Thread(target=measure, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2] == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(meters[1].recent[-1].states, alone.recent[-1].states)


def test_an_unchanged_model_is_measured_within_the_foretold_noise(config: FinetuneConfig, shared_project: Path) -> None:
    vla = load_base(shared_project / "base").train()
    student = Student(vla=vla, codec=Codec.from_folder(shared_project / "base"), device=CPU, dtype=torch.float32)
    measuring = meter(config, student)
    found = [measuring.measure(number) for number in range(10)]
    assert math.dist(found, [0.0] * 10) / 10**0.5 == pytest.approx(measuring.noise, rel=0.5)
    assert vla.training
    paired = meter(replace(config, thermostat_estimator=Estimator.PAIRED), student)
    assert paired.measure(0) < 1e-3 * measuring.noise


def opened(config: FinetuneConfig, student: Student, warnings: list[str]) -> LiveMethod:
    return open_method(config, student, Ranks(), warnings.append)


def test_statistics_of_another_model_or_prompt_are_doubted(config: FinetuneConfig, student: Student) -> None:
    warnings: list[str] = []
    opened(replace(config, vla_path="openvla/openvla-7b", prompt_template="{instruction}\nOut:"), student, warnings)
    assert [text in warning for text, warning in zip(("made of base", "prompt_template"), warnings, strict=False)] == [
        True,
        True,
    ]


def test_a_norm_that_overflowed_is_not_told(config: FinetuneConfig, student: Student) -> None:
    method = opened(replace(config, thermostat_mode=ThermostatMode.OFF), student, [])
    method.before_pass(torch.amp.GradScaler("cpu", enabled=False))
    method.surgeries.by_layer[2].sums[0] = math.inf
    assert {"g", "g.2"} & set(method.metrics()) == set()
    assert "g.1" in method.metrics()
