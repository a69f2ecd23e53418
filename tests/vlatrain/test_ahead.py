"""Files that are asked for before anybody reads them."""

from pathlib import Path

import pytest
import vlatrain.ahead
from patience import until_ended
from vlatrain.ahead import read_ahead


def test_weights_are_asked_for_in_a_thread_that_ends(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 10_000)
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    thread = read_ahead(tmp_path)
    assert thread is not None
    until_ended(thread)


def test_what_does_not_fit_into_memory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 10_000)
    monkeypatch.setattr(vlatrain.ahead, "LARGEST_SHARE", 1e-12)
    assert read_ahead(tmp_path) is None
