"""The user's configuration file: defaults without it, one-line refusals with a wrong one."""

from pathlib import Path

import pytest
from vlad.host.user_config import UserConfig, read_user_config, user_config_path
from vlad.policy.notices import Occasion
from vlad.records.files import RecordError


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert read_user_config(tmp_path / "none.yaml") == UserConfig()
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert read_user_config(tmp_path / "empty.yaml") == UserConfig()


def test_what_is_set_is_read_and_the_rest_stays_default(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("gpus: {free_below_mib: 500}\nnotify:\n  urls: ['json://localhost']\n  about: [crash]\n")
    config = read_user_config(file)
    assert config.gpus.free_below_mib == 500
    assert config.gpus.lock_folder is None
    assert config.notify.urls == ("json://localhost",)
    assert config.notify.about == (Occasion.CRASH,)


WRONG = {
    "unknown field": ("gpu: {}\n", "unknown field `gpu`"),
    "unknown occasion": ("notify: {about: [death]}\n", "$.notify.about"),
    "no YAML": ("a: [1\n", "expected"),
    "no mapping": ("just words\n", "Expected `object`"),
}


@pytest.mark.parametrize(("content", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_refused_by_name_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(RecordError) as raised:
        read_user_config(file)
    assert str(file) in str(raised.value)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_place_follows_xdg(tmp_path: Path) -> None:
    assert user_config_path({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "vlad" / "config.yaml"
    assert user_config_path({}) == Path.home() / ".config" / "vlad" / "config.yaml"
