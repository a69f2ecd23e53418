"""A new run on one line: what it means as a form, and what a form means as a line."""

import shlex

import pytest
from vlad.commands.verbs import command_of
from vlatui.asking.start_form import StartForm
from vlatui.asking.start_line import FIELD_OF, WITHOUT_VALUE, form_of_line, line_of

LINES = {
    "nothing": ("", StartForm()),
    "figures": ("auto 10000 1000 1000 5", StartForm(nproc="auto", figures="10000 1000 1000 5")),
    "figures between options": ("2 --config a.yaml 500", StartForm(nproc="2", figures="500", config="a.yaml")),
    "equals": ("--gpus=0,2 --name=x", StartForm(gpus="0,2", name="x")),
    "settings": ("--set a=1 --set 'b=two words'", StartForm(overrides="a=1 'b=two words'")),
    "other options": ("--restarts 3 --tty --priority=2", StartForm(options="--restarts 3 --tty --priority 2")),
    "twice": ("--after one --after two", StartForm(after="one", options="--after two")),
    "as pasted": ("vlad start 2 --name x", StartForm(nproc="2", name="x")),
    "a command": ("--name n -- bash -c 'a; b' --name", StartForm(name="n", command="bash -c 'a; b' --name")),
}


@pytest.mark.parametrize(("line", "form"), LINES.values(), ids=LINES.keys())
def test_a_line_means_a_form(line: str, form: StartForm) -> None:
    assert form_of_line(line) == form


@pytest.mark.parametrize(("line", "form"), LINES.values(), ids=LINES.keys())
def test_a_form_as_a_line_means_the_same_form(line: str, form: StartForm) -> None:
    assert form_of_line(line_of(form)) == form


def test_a_line_means_the_command_that_it_says() -> None:
    line = "auto 10000 1000 1000 5 --config 'my config.yaml' --set seed=3 --name n --gpus 2 --restarts 3"
    assert form_of_line(line).arguments() == ["start", *shlex.split(line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--config 'a", "No closing quotation"),
        ("2 -- torchrun x.py", "means nothing to the command"),
        ("two", "a whole number from 1, or auto"),
        ("2 --follow", "leave it out"),
        ("2 --set seed", "write it as field=value"),
    ],
)
def test_a_line_that_cannot_be_meant_says_why(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        form_of_line(line).arguments()


def test_the_options_are_those_that_vlad_start_has() -> None:
    actions = command_of("start").parser("start", "start")._actions
    switches = {flag for action in actions if action.nargs == 0 for flag in action.option_strings}
    valued = {flag for action in actions if action.nargs != 0 for flag in action.option_strings}
    assert switches == WITHOUT_VALUE
    assert FIELD_OF.keys() <= valued
