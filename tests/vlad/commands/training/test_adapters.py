"""vlad adapters: those of runs, of the working folder and of folders that are named."""

from pathlib import Path

import pytest
from command_line import Story, Vlad
from saved_adapters import saved_adapter
from supervised_runs import Lab
from vlad.records.progress import CheckpointSaved


@pytest.fixture
def saved(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """One beside a run's checkpoint, one of the working folder, one elsewhere."""
    monkeypatch.chdir(tmp_path)
    folders = {
        "of a run": saved_adapter(tmp_path / "runs" / "spatial" / "step-000200", age_s=10),
        "here": saved_adapter(tmp_path / "adapter-tmp" / "goal" / "step-000100", age_s=20),
        "elsewhere": saved_adapter(tmp_path / "old" / "final", age_s=30),
    }
    told = CheckpointSaved(at=1.0, step=200, path=str(folders["of a run"]))
    Story(lab, "spatial").attempt().reported(told)
    return folders


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["of a run", "here"]),
        (("--run", "spatial"), ["of a run"]),
        (("old",), ["of a run", "here", "elsewhere"]),
        (("adapter-tmp", "old"), ["of a run", "here", "elsewhere"]),
    ],
    ids=["of runs and of this folder", "of one run", "of a folder too", "of a folder that is looked into anyway"],
)
def test_adapters_are_listed_newest_first(
    vlad: Vlad, saved: dict[str, Path], words: tuple[str, ...], names: list[str]
) -> None:
    listed = vlad("adapters", *words, "--json").json
    assert [Path(one["path"]).resolve() for one in listed] == [saved[name] for name in names]


def test_the_table_tells_step_and_place(vlad: Vlad, saved: dict[str, Path]) -> None:
    titles, line, *_ = vlad("adapters").out.splitlines()
    assert titles.split() == ["STEP", "SUCCESS", "SAVED", "ADAPTER"]
    assert line.split()[0] == "200"
    assert line.endswith(str(saved["of a run"]))


def test_where_there_is_none_it_says_where_it_looked(
    vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = vlad("adapters")
    assert (answer.code, answer.out) == (0, "")
    assert "no adapter was found" in answer.err
