"""The Config tab's rows."""

from typing import Any

import msgspec
from vlad.records.spec import ConfigValue, Kind, RunSpec
from vlatui.telling.config_rows import config_difference, config_rows

SPEC = RunSpec(
    run_id="20261122-0931-demo-7f3a", name="demo", kind=Kind.TRAIN, argv=("torchrun", "spec-one"), cwd="/work",
    created_at=0.0, created_by="ada", host="h", nproc=2,
    config={
        "seed": ConfigValue(value=7, origin="default"),
        "lora_rank": ConfigValue(value=32, origin="demo.yaml:3"),
        "image_aug": ConfigValue(value=True, origin="command line"),
    },
)  # fmt: skip


def like(**changes: Any) -> RunSpec:
    return msgspec.structs.replace(SPEC, **changes)


def texts(rows: list[Any]) -> dict[str, list[str]]:
    return {row.key: [spans[0].text for spans in row.cells.values()] for row in rows}


def test_only_keys_that_differ_are_listed_with_both_values_and_origins() -> None:
    config = {
        **SPEC.config,
        "seed": ConfigValue(value=8, origin="command line"),
        "note": ConfigValue(value="new", origin="other.yaml:1"),
    }
    rows = config_difference(SPEC, like(config=config, argv=("torchrun", "spec-two"), nproc=4))
    assert texts(rows) == {
        "processes": ["processes", "2", "", "4", ""],
        "seed": ["seed", "7", "default", "8", "command line"],
        "note": ["note", "-", "", "new", "other.yaml:1"],
    }


def test_another_origin_of_the_same_value_is_no_difference() -> None:
    config = {**SPEC.config, "seed": ConfigValue(value=7, origin="demo.yaml:9")}
    assert config_difference(SPEC, like(config=config)) == []


def test_commands_are_compared_word_by_word_without_their_secrets() -> None:
    one = like(kind=Kind.COMMAND, config={}, argv=("train", "--token", "secret-one"))
    two = like(kind=Kind.COMMAND, config={}, argv=("train", "--token", "secret-two", "--fast"))
    (row,) = texts(config_difference(one, two)).values()
    assert row == ["command", "train --token ***", "", "train --token *** --fast", ""]


def test_a_run_that_is_not_read_yet_differs_in_nothing() -> None:
    assert config_difference(None, SPEC) == []


def test_only_what_was_chosen_leaves_out_the_defaults() -> None:
    shown = texts(config_rows(SPEC, only_chosen=True))
    assert "seed" not in shown
    assert shown["lora_rank"] == ["lora_rank", "32", "demo.yaml:3"]
