"""YAML with line numbers."""

from pathlib import Path

import pytest
from vlatrain.configuration.file import Entry, read_entries
from vlatrain.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def test_each_value_comes_as_written_with_its_line(file: Path) -> None:
    file.write_text("# comment\nlearning_rate: 2e-4\n\nhsw_layer_ids: [-2,\n  -1]\nrun_id_note: ~\nuse_wandb: 'no'\n")
    assert read_entries(file) == {
        "learning_rate": Entry("2e-4", f"{file}:2"),
        "hsw_layer_ids": Entry("[-2, -1]", f"{file}:4", is_list=True),
        "run_id_note": Entry("null", f"{file}:6"),
        "use_wandb": Entry("no", f"{file}:7"),
    }


def test_a_file_of_comments_says_nothing(file: Path) -> None:
    file.write_text("# nothing\n")
    assert read_entries(file) == {}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfbatch_size: 2\r\nmax_steps: 5\r\n")
    assert [(name, entry.text) for name, entry in read_entries(file).items()] == [
        ("batch_size", "2"),
        ("max_steps", "5"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch_size: 1\nmax_steps: 2\nbatch_size: 3\n", ":3: batch_size is given twice, first at {file}:1"),
        ("a: 1\nb: [1\n", ":3: not valid YAML"),
        ("a: 1\n\tb: 2\n", ":2: not valid YAML"),
        ("- a\n- b\n", ":1: expected lines of the form `name: value`"),
        ("just text\n", ":1: expected lines of the form `name: value`"),
        ("training:\n  batch_size: 2\n", ":2: training is nested"),
        ("hsw_layer_ids: [[1]]\n", ":1: hsw_layer_ids is nested"),
        ("? [a]\n: 1\n", ":1: a key must be a plain name"),
        ("a: !!python/object/apply:os.system ['touch /tmp/x']\n", ":1: a has the tag"),
        ("a: !mine 3\n", ":1: a has the tag !mine"),
        ("a: 1\n---\nb: 2\n", ":2: not valid YAML"),
        ("a: \x01\n", ": not valid YAML"),
    ],
    ids=str,
)
def test_what_is_no_flat_mapping_is_refused_by_line(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_entries(file)
    assert str(refusal.value).startswith(str(file))
    assert told.format(file=file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_told_with_its_neighbours(file: Path) -> None:
    (file.parent / "method.yaml").touch()
    with pytest.raises(ConfigError, match=r"x\.yaml does not exist; .* has method\.yaml"):
        read_entries(file)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_entries(tmp_path)


def test_binary_is_refused(file: Path) -> None:
    file.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 3\)"):
        read_entries(file)
