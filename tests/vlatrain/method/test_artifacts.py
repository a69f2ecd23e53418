"""Files of offline statistics: ours, those of the original program, and damaged ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vlatrain.configuration.method import StatesAt
from vlatrain.errors import TrainerError
from vlatrain.method.artifacts import Statistics, open_statistics, save_layer, save_meta
from vlatrain.method.hsw import Subspace
from vlatrain.method.layers import Groups, numbered

WIDTH, N_LAYERS = 24, 32
CPU = torch.device("cpu")


def states(layer: int) -> Tensor:
    return torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(layer)) + 1


def space(layer: int) -> Subspace:
    columns = torch.linalg.qr(torch.randn(WIDTH, 6, generator=torch.Generator().manual_seed(layer)))[0]
    return Subspace(columns[:, :4], columns[:, 4:])


def covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / len(x)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """As the original program leaves it: what is of states in bf16, directions in fp32, its own meta.json."""
    for layer in (29, 31):
        torch.save(space(layer).fragile, tmp_path / f"U{layer}_f.pt")
        torch.save(space(layer).plastic, tmp_path / f"U{layer}_p.pt")
        torch.save(states(layer).mean(0).bfloat16(), tmp_path / f"mu{layer}.pt")
        torch.save(covariance(states(layer)).bfloat16(), tmp_path / f"C_T{layer}.pt")
    meta: dict[str, Any] = {
        "vla_path": "openvla/openvla-7b",
        "layer_ids": [29, 31],
        "r": 8,
        "epsilon": 0.001,
        "probe_hash": "0f",
        "fragile_dim": None,
        "plastic_dim": None,
        "prompt_template": "In: {instruction}\nOut:",
        "group_mapping": {"group_a": [28, 29], "group_b": [30, 31], "rep_layers": [29, 31], "requested_layers": [29]},
        "commit": "abc",
    }
    (tmp_path / "meta.json").write_text(json.dumps(meta, indent=2))
    return tmp_path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    for layer in (29, 31):
        save_layer(tmp_path, layer, space(layer), states(layer))
    save_meta(tmp_path, {"states": "input", "group_mapping": {"rep_layers": [29, 31]}})
    return tmp_path


def opened(folder: Path) -> Statistics:
    return open_statistics(folder, N_LAYERS, WIDTH)


def test_files_of_the_original_program_are_read(original: Path) -> None:
    statistics = opened(original)
    assert (statistics.representatives, statistics.states_at) == ((29, 31), StatesAt.OUTPUT)
    assert statistics.states(29) is None
    stored = covariance(states(31)).bfloat16().double()
    assert statistics.covariance(31).frobenius == pytest.approx(float(stored.norm()))
    assert statistics.covariance(31).trace == pytest.approx(float(stored.trace()))


@pytest.mark.parametrize(("layer", "of"), [(28, 29), (29, 29), (30, 31), (31, 31)])
def test_a_layer_of_the_last_four_takes_the_directions_of_its_group(original: Path, layer: int, of: int) -> None:
    found = opened(original).subspace(layer, CPU)
    assert torch.equal(found.fragile, space(of).fragile)
    assert torch.equal(found.plastic, space(of).plastic)


def test_a_layer_outside_the_groups_needs_directions_of_its_own(original: Path) -> None:
    with pytest.raises(TrainerError, match=r"--hsw_layer_ids 5: .* set icsm_layer_ids"):
        opened(original).subspace(5, CPU)
    torch.save(space(5).fragile, original / "U5_f.pt")
    torch.save(space(5).plastic, original / "U5_p.pt")
    assert torch.equal(opened(original).subspace(5, CPU).fragile, space(5).fragile)


def test_ours_hold_the_same_files_in_the_same_form(ours: Path) -> None:
    """So that the original program reads them: plain tensors, directions as columns, covariances divided by n."""
    loaded = {path.name: torch.load(path, weights_only=True) for path in ours.glob("*31*.pt")}
    assert set(loaded) == {"U31_f.pt", "U31_p.pt", "mu31.pt", "C_T31.pt", "X_T31.pt"}
    assert torch.equal(loaded["U31_f.pt"], space(31).fragile)
    assert torch.equal(loaded["mu31.pt"], states(31).mean(0))
    torch.testing.assert_close(loaded["C_T31.pt"], covariance(states(31)))
    assert not list(ours.glob(".*"))


def test_the_covariance_is_that_of_the_kept_states_or_of_the_matrix(ours: Path) -> None:
    statistics = opened(ours)
    from_states = statistics.covariance(29)
    kept = statistics.states(29)
    assert kept is not None
    assert torch.equal(kept, states(29))
    (ours / "X_T29.pt").unlink()
    from_matrix = statistics.covariance(29)
    assert from_matrix.frobenius == pytest.approx(from_states.frobenius, rel=1e-5)
    x = states(1).double() - states(1).double().mean(0)
    assert from_matrix.overlap(x) == pytest.approx(from_states.overlap(x), rel=1e-5)


def written(name: str, content: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            torch.save(content, folder / name)

    return damage


class Code:
    """What would run a program when it is loaded without care."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("code of a file was run",)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "U31_f.pt").write_bytes(b"PK"), "U31_f.pt cannot be read"),
        (lambda folder: (folder / "U31_p.pt").unlink(), "U31_p.pt cannot be read"),
        (written("U31_f.pt", {"u": 1}), "U31_f.pt holds dict, not a tensor"),
        (written("U31_f.pt", Code()), "U31_f.pt cannot be read"),
        (written("U31_f.pt", torch.eye(16)[:, :4]), "U31_f.pt: is not of this model, whose states have 24 numbers"),
        (written("U31_f.pt", torch.ones(WIDTH, 2)), "U31_f.pt: fragile and plastic directions are not orthonormal"),
        (written("U31_f.pt", space(31).plastic), "are not orthonormal"),
        (written("C_T31.pt", torch.eye(16)), "C_T31.pt: is not of this model"),
        (written("X_T31.pt", torch.ones(20, 16)), "X_T31.pt: is not of this model"),
    ],
)
def test_damaged_and_foreign_files_are_named(ours: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(ours)
    if "C_T" in told:
        (ours / "X_T31.pt").unlink()
    with pytest.raises(TrainerError) as refusal:
        (opened(ours).subspace(31, CPU), opened(ours).covariance(31))
    assert told in str(refusal.value)
    assert "vlad icsm" in str(refusal.value)


def test_directions_that_were_rounded_to_bf16_are_taken(ours: Path) -> None:
    torch.save(space(31).fragile.bfloat16(), ours / "U31_f.pt")
    assert opened(ours).subspace(31, CPU).fragile.dtype is torch.float32


def test_a_folder_without_statistics_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"holds no offline statistics \(meta\.json\); run `vlad icsm`"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("n_layers", "a", "b", "representatives"),
    [(32, (28, 29), (30, 31), (29, 31)), (4, (0, 1), (2, 3), (1, 3)), (3, (0,), (1, 2), (0, 2)), (2, (), (0, 1), (1,))],
)
def test_the_last_four_layers_in_two_groups(
    n_layers: int, a: tuple[int, ...], b: tuple[int, ...], representatives: tuple[int, ...]
) -> None:
    groups = Groups.of(n_layers)
    assert (groups.a, groups.b, groups.representatives) == (a, b, representatives)
    assert {groups.representative_of(layer) for layer in a} <= {representatives[0]}
    assert {groups.representative_of(layer) for layer in b} == {representatives[-1]}
    assert groups.representative_of(n_layers) is None


def test_layers_are_numbered_from_either_end() -> None:
    assert numbered((-1, 0, -2), 32, "hsw_layer_ids") == (0, 30, 31)
    for layers, told in [((32,), "--hsw_layer_ids 32: the model has 32 layers"), ((-1, 31), "names a layer from both")]:
        with pytest.raises(TrainerError, match=told):
            numbered(layers, 32, "hsw_layer_ids")
