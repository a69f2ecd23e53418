"""The form for a new run: what it means on the command line, and how it is filled from another run."""

import subprocess
from typing import Any

import pytest
from vlad.records.spec import ConfigValue, EarlyStopWish, Kind, RunSpec
from vlatui.asking.start_form import StartForm, form_of, words_of
from vlatui.asking.start_line import form_of_line, line_of


def spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "run_id": "20261122-0931-demo-7f3a", "name": "demo", "kind": Kind.TRAIN, "argv": ("torchrun",), "cwd": "/",
        "created_at": 0.0, "created_by": "ada", "host": "h",
    }  # fmt: skip
    return RunSpec(**{**fields, **changes})


@pytest.mark.parametrize(
    ("form", "arguments"),
    [
        (StartForm(), ["start"]),
        (StartForm(nproc="auto", config="a.yaml"), ["start", "auto", "--config", "a.yaml"]),
        (StartForm(profile=" v100_8gpu ", resume="newest"), ["start", "--profile", "v100_8gpu", "--resume", "newest"]),
        (StartForm(overrides="a=1 'b=two words'"), ["start", "--set", "a=1", "--set", "b=two words"]),
        (StartForm(gpus="0,2", after="spatial"), ["start", "--gpus", "0,2", "--after", "spatial"]),
        (StartForm(folder="/data"), ["start", "--project-root", "/data"]),
        (StartForm(figures="10000 1000"), ["start", "auto", "10000", "1000"]),
        (StartForm(nproc="2", options="--restarts 3 --tty"), ["start", "2", "--restarts", "3", "--tty"]),
        (StartForm(gpus="auto", command="a"), ["start", "--gpus", "auto", "--", "a"]),
        (StartForm(name="n", command="bash -c 'a; b'"), ["start", "--name", "n", "--", "bash", "-c", "a; b"]),
    ],
)  # fmt: skip
def test_a_form_means_a_command_line(form: StartForm, arguments: list[str]) -> None:
    assert form.arguments() == arguments


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (StartForm(nproc="0"), "a whole number from 1, or auto"),
        (StartForm(nproc="two"), "a whole number from 1, or auto"),
        (StartForm(overrides="seed"), "write it as field=value"),
        (StartForm(command="'torchrun"), "No closing quotation"),
        (StartForm(figures="10000 often"), "steps 'often': whole numbers"),
        (StartForm(options="--follow"), "the log is followed here"),
    ],
)
def test_what_cannot_be_meant_is_said(form: StartForm, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        form.arguments()


def test_a_run_is_duplicated_with_what_was_chosen_by_hand() -> None:
    config = {
        "learning_rate": ConfigValue(value=0.0002, origin="command line"),
        "run_id_note": ConfigValue(value="two words", origin="command line"),
        "image_aug": ConfigValue(value=False, origin="command line"),
        "resume_adapter_dir": ConfigValue(value="/old", origin="command line"),
        "batch_size": ConfigValue(value=2, origin="profile 4090_1gpu"),
        "lora_rank": ConfigValue(value=16, origin="demo.yaml:7"),
    }
    form = form_of(spec(config=config, config_file="/configs/demo.yaml", nproc=2))
    assert form.arguments() == [
        "start", "2", "--config", "/configs/demo.yaml", "--set", "learning_rate=0.0002",
        "--set", "run_id_note=two words", "--set", "image_aug=false", "--name", "demo",
    ]  # fmt: skip


def test_a_command_is_duplicated_word_for_word_with_its_folder_and_its_early_stop() -> None:
    argv = ("bash", "-c", "echo 'a b' && sleep 1")
    wish = EarlyStopWish(patience=3, min_delta=0.5)
    form = form_of(spec(kind=Kind.COMMAND, argv=argv, cwd="/my work", early_stop=wish))
    options = ["--folder", "/my work", "--early-stop", "patience=3,min_delta=0.5"]
    assert form.arguments() == ["start", "--name", "demo", *options, "--", *argv]
    assert form_of_line(line_of(form)) == form


def test_the_preview_can_be_pasted_into_a_shell() -> None:
    assert StartForm(config="my config.yaml").preview() == "vlad start --config 'my config.yaml'"


def test_the_same_form_is_asked_about_before_it_is_started() -> None:
    form = StartForm(nproc="2", config="a.yaml", overrides="seed=3", name="n", gpus="auto")
    asked = form.questions()
    assert asked.configured == ["config", "--config", "a.yaml", "--set", "seed=3", "--json"]
    assert asked.planned == ["plan", "2", "--config", "a.yaml", "--set", "seed=3", "--json"]
    assert asked.checked == ["start", "--dry-run", "--json", *form.arguments()[1:]]


@pytest.mark.parametrize(
    "text", ['a "b \\$c" d', "'\\$x'", '"a\\\\b" \\"', "one\\ word", '"`x` \\`y\\`"', """'"\\$x"'""", "a 'b \"c' d"]
)
def test_words_are_those_that_a_shell_makes(text: str) -> None:
    script = "set -f; " + 'printf "%s\\n" ' + text.replace("`x`", "\\`x\\`")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert words_of(text) == done.stdout.splitlines()
