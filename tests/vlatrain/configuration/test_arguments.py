"""The command line of the trainer."""

from dataclasses import fields
from pathlib import Path

import pytest
from vlatrain.configuration.arguments import Arguments, help_text, parse_arguments
from vlatrain.configuration.finetune import TOPICS, FinetuneConfig
from vlatrain.errors import ConfigError


@pytest.mark.parametrize(
    "words",
    [
        "x.yaml --batch_size 4 --hsw_layer_ids -2,-1",
        "--batch_size=4 x.yaml --hsw_layer_ids=-2,-1",
        "--batch-size 4 --hsw-layer-ids -2,-1 --config x.yaml",
        "--config_path x.yaml --batch_size 3 --batch_size 4 --hsw_layer_ids -2,-1",
    ],
)
def test_fields_are_set_by_value_or_equals_and_the_last_counts(words: str) -> None:
    arguments = parse_arguments(words.split())
    assert arguments == Arguments(config_file=Path("x.yaml"), overrides={"batch_size": "4", "hsw_layer_ids": "-2,-1"})


def test_switches_and_processes_are_told_apart_from_fields() -> None:
    arguments = parse_arguments(["--print-config", "--json", "--check", "--nproc", "4"])
    assert arguments == Arguments(nproc=4, switches=frozenset({"print-config", "json", "check"}))
    assert parse_arguments(["--nproc=auto"]).nproc is None
    assert parse_arguments(["-h"]).switches == {"help"}


def test_resume_is_short_for_its_field_and_from_scratch_empties_both() -> None:
    assert parse_arguments(["--resume", "newest"]).overrides == {"resume_adapter_dir": "newest"}
    assert parse_arguments(["--from-scratch"]).overrides == {
        "resume_adapter_dir": "null",
        "resume_full_model_dir": "null",
    }


def test_a_value_may_be_empty_or_hold_an_equals_sign() -> None:
    assert parse_arguments(["--run_id_note=", "--wandb_project=a=b"]).overrides == {
        "run_id_note": "",
        "wandb_project": "a=b",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--batchsize 4", "unknown field 'batchsize': did you mean batch_size?"),
        ("--image_aug --batch_size 4", "--image_aug needs a value: --image_aug VALUE or --image_aug=VALUE"),
        ("--batch_size", "--batch_size needs a value"),
        ("a.yaml b.yaml", "one configuration file at a time, not a.yaml and b.yaml"),
        ("--nproc 0", "--nproc 0: it must be auto or a whole number"),
        ("--from-scratch --resume newest", "--from-scratch and --resume_adapter_dir: a run cannot do both"),
        ("--resume_full_model_dir m --from-scratch", "--from-scratch and --resume_full_model_dir: a run cannot"),
        ("--nproc two", "--nproc two: it must be auto or a whole number"),
    ],
)
def test_wrong_words_are_refused(words: str, told: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_arguments(words.split())
    assert str(refusal.value).startswith(told)


def test_help_has_every_field_with_its_type_and_default_under_its_topic() -> None:
    text = help_text()
    positions = [text.index("\n" + (topic.__doc__ or "").rstrip(".") + "\n") for topic in TOPICS]
    assert positions == sorted(positions)
    for one in fields(FinetuneConfig):
        assert f"  --{one.name} (" in text
    assert "--batch_size (a whole number; default 16)" in text
    assert "--lr_scheduler (one of none|cosine; default none)" in text
    assert "--prompt_template (text; default 'In: {instruction}\\nOut:')" in text
    assert all(len(line) <= 120 for line in text.splitlines())
