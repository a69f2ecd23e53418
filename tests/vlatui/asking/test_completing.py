"""Completion of fields within a list of field=value."""

import pytest
from vlad.records.spec import ConfigValue
from vlatui.asking.completing import completed, field_hint

FIELDS = ("learning_rate", "lora_rank", "lora_dropout", "seed", "seed_of_data")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lear", "learning_rate="),
        ("seed=3 lora_r", "seed=3 lora_rank="),
        ("se", "seed="),
        ("lora_rank=", None),
        ("", None),
        ("seed=3 ", None),
        ("nothing", None),
    ],
)
def test_the_last_word_is_completed(text: str, expected: str | None) -> None:
    assert completed(text, FIELDS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("seed=", "seed is 7, from default"), ("a=1 note", "note is none, from b.yaml:2"), ("unknown=1", ""), ("", "")],
)
def test_the_field_being_typed_is_explained(text: str, expected: str) -> None:
    config = {"seed": ConfigValue(value=7, origin="default"), "note": ConfigValue(value=None, origin="b.yaml:2")}
    assert field_hint(text, config) == expected
