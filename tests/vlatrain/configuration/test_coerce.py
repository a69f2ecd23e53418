"""Text to typed values."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlatrain.configuration.coerce import FIELD_TYPES, coerce, known_field, type_in_words
from vlatrain.configuration.finetune import LrScheduler
from vlatrain.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "2e-4", 2e-4),
        ("learning_rate", "0.0005", 5e-4),
        ("max_steps", "1e4", 10_000),
        ("max_steps", "10_000", 10_000),
        ("image_aug", "True", True),
        ("image_aug", "off", False),
        ("image_aug", "0", False),
        ("lr_scheduler", "cosine", LrScheduler.COSINE),
        ("lr_scheduler", "none", LrScheduler.NONE),
        ("hsw_layer_ids", "[-2, -1]", (-2, -1)),
        ("hsw_layer_ids", "-2,-1", (-2, -1)),
        ("hsw_layer_ids", "none", None),
        ("run_id_note", "null", None),
        ("run_id_note", "a note", "a note"),
        ("eval_max_steps", "None", None),
        ("data_root_dir", "/data/sets", Path("/data/sets")),
        ("icms_artifact_dir", "null", None),
        ("dataset_name", "none", "none"),
    ],
)
def test_text_becomes_the_value_of_the_field_s_type(name: str, text: str, value: object) -> None:
    got = coerce(name, text)
    assert got == value
    assert type(got) is type(value)


def test_a_path_may_start_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert coerce("data_root_dir", "~/sets") == Path("/home/somebody/sets")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("batch_size", "two", "--batch_size 'two': it must be a whole number"),
        ("batch_size", "2.5", "--batch_size '2.5': it must be a whole number"),
        ("batch_size", "null", "--batch_size 'null'"),
        ("learning_rate", "nan", "--learning_rate 'nan': it must be a number"),
        ("learning_rate", "fast", "--learning_rate 'fast'"),
        ("image_aug", "maybe", "--image_aug 'maybe': it must be true or false"),
        ("lr_scheduler", "linear", "--lr_scheduler 'linear': it must be one of none|cosine"),
        ("hsw_layer_ids", "[a]", "a list of whole numbers such as [-2, -1], or null"),
        ("data_root_dir", "", "--data_root_dir '': it must be a path"),
    ],
)
def test_other_text_is_refused_with_what_is_allowed(name: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"^--") as refusal:
        coerce(name, text)
    assert told in str(refusal.value)
    assert refusal.value.fields == (name,)


@given(st.sampled_from(sorted(FIELD_TYPES)), st.text())
def test_any_text_is_read_or_refused_and_nothing_else(name: str, text: str) -> None:
    with suppress(ConfigError):
        coerce(name, text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_is_read_back_exactly(number: float) -> None:
    assert coerce("learning_rate", str(number)) == number


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("batchsize", "batch_size"),
        ("learning-rat", "learning_rate"),
        ("LORA_RANK", "lora_rank"),
        ("icsm_artifact_dir", "icms_artifact_dir"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_one(name: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        known_field(name)
    assert str(refusal.value) == f"unknown field {name!r}: did you mean {suggestion}?"


def test_a_field_like_no_other_is_refused_with_where_to_look() -> None:
    with pytest.raises(ConfigError, match="vlad config"):
        known_field("zzz")


def test_hyphens_are_as_good_as_underscores() -> None:
    assert known_field("batch-size") == "batch_size"


def test_types_are_told_in_words() -> None:
    assert type_in_words("hsw_layer_ids") == "a list of whole numbers such as [-2, -1] or null"
    assert type_in_words("precision") == "one of auto|bf16|fp16|fp32"
