"""The levers of models that are trained whole, against the plain path: in fp32, on a CPU."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from training_runs import is_same
from vlatrain.configuration.finetune import FinetuneConfig, Precision
from vlatrain.distributed import Ranks
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.pass_graphs import PassGraphs, flat_gradients
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.vit import PatchEmbedding
from vlatrain.train.learner import Learner, learner_of
from whole_models import SETTINGS, passed, stepped, whole_config, whole_learner

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten_programs() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def again(work: Callable[[], None]) -> Callable[[], None]:
    """Captures nothing: doing it again is doing it. Runs it first, as captures are preceded by runs."""
    work()
    return work


def replayed(learner: Learner) -> Learner:
    """As a GPU trains it with `cuda_graph`, but that passes are called instead of captured."""
    graphs = PassGraphs(capture=again)
    return replace(learner, graphs=graphs, gradients=flat_gradients(learner.trained))


def test_compiled_blocks_give_the_same_pass_without_a_break() -> None:
    learner, config = whole_learner(CPU)
    loss, expected = passed(learner, config)
    compiled, _ = whole_learner(CPU)
    compile_blocks(compiled.vla, backend="aot_eager", fullgraph=True, is_whole=True)
    found_loss, found = passed(compiled, config)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert distance(found, expected) < 5e-6


def stemmed_learner(**settings: Any) -> tuple[Learner, FinetuneConfig]:
    """As `whole_learner`, but that convolutions embed the patches, of 8 pixels."""
    config, dimensions = FinetuneConfig(**{**SETTINGS, **settings}), whole_config()
    towers = (dimensions.featurizer, dimensions.fused_featurizer)
    first, second = (replace(tower, patch_size=8, stem_widths=(16, 24, 32)) for tower in towers)
    vla = OpenVLA(replace(dimensions, featurizer=first, fused_featurizer=second))
    initialise(vla, 1)
    return learner_of(vla, config, None, Ranks(), CPU), config


def test_compiled_stems_give_the_same_pass_without_a_break() -> None:
    learner, config = stemmed_learner()
    loss, expected = passed(learner, config)
    compiled, _ = stemmed_learner()
    compile_blocks(compiled.vla, backend="aot_eager", fullgraph=True, is_whole=True)
    found_loss, found = passed(compiled, config)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert distance(found, expected) < 5e-6
    stem = compiled.vla.vision_backbone.featurizer.patch_embed
    assert all(one.grad is not None and one.grad.any() for one in stem.parameters())


def test_passes_of_a_model_with_stems_that_add_to_one_tensor_train_to_the_same_weights() -> None:
    plain, config = stemmed_learner(precision=Precision.BF16)
    other, _ = stemmed_learner(precision=Precision.BF16)
    expected, found = stepped(plain, config), stepped(replayed(other), config)
    assert is_same(found[0], expected[0])
    assert is_same(found[1], expected[1])


def test_under_autocast_compiled_blocks_are_within_the_noise_of_the_plain_path() -> None:
    exact, plain = (whole_learner(CPU, precision=precision) for precision in (Precision.FP32, Precision.BF16))
    compiled, config = whole_learner(CPU, precision=Precision.BF16)
    compile_blocks(compiled.vla, backend="aot_eager", fullgraph=True, is_whole=True)
    (_, truth), (_, noisy), (_, found) = passed(*exact), passed(*plain), passed(compiled, config)
    assert 0 < distance(found, truth) < 1.5 * distance(noisy, truth)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_passes_that_add_to_one_tensor_train_to_the_same_weights(precision: Precision) -> None:
    plain, config = whole_learner(CPU, precision=precision)
    other, _ = whole_learner(CPU, precision=precision)
    expected, found = stepped(plain, config), stepped(replayed(other), config)
    assert is_same(found[0], expected[0])
    assert is_same(found[1], expected[1])
    assert not is_same(expected[0], expected[1])


@pytest.mark.parametrize("rest", [0, 5], ids=["whole squares", "a rest"])
def test_patches_embedded_by_a_product_are_those_of_the_convolution(rest: int) -> None:
    tower = whole_config().featurizer
    embedding = PatchEmbedding(tower).double()
    pixels = torch.randn(2, 3, tower.image_size + rest, tower.image_size + rest).double()
    results = []
    for is_product in (False, True):
        embedding.is_product = is_product
        embedding.zero_grad()
        out = embedding(pixels)
        (out * torch.linspace(-1, 1, out.numel()).double().view_as(out)).sum().backward()
        results.append((out.detach(), *(one.grad.clone() for one in embedding.parameters() if one.grad is not None)))
    assert len(results[0]) == 3
    for found, expected in zip(results[1], results[0], strict=True):
        assert distance(found, expected) < 1e-12
