"""Where the base model is looked for."""

from pathlib import Path

import pytest
from vlatrain.errors import TrainerError
from vlatrain.model.hub import find_base


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_base(str(tmp_path)) == tmp_path


def test_a_hub_id_is_asked_for_by_name(tmp_path: Path) -> None:
    asked: list[str] = []

    def download(repository: str) -> str:
        asked.append(repository)
        return str(tmp_path)

    assert find_base("openvla/openvla-7b", download) == tmp_path
    assert asked == ["openvla/openvla-7b"]


def test_an_unreachable_hub_is_one_line_that_names_the_flag() -> None:
    def download(_repository: str) -> str:
        raise ConnectionError("no route to host\nand a long story")

    with pytest.raises(TrainerError, match=r"^--vla_path openvla/openvla-7b: .*no route to host$"):
        find_base("openvla/openvla-7b", download)


def test_a_path_that_is_no_folder_is_never_looked_up(tmp_path: Path) -> None:
    def download(_repository: str) -> str:
        raise AssertionError("asked the hub for a path")

    with pytest.raises(TrainerError, match=r"no such folder$"):
        find_base(str(tmp_path / "absent" / "model"), download)
