"""A new run as one line: the arguments of `vlad start`, to and from the form that has a field for each. Pure."""

import shlex
from collections.abc import Iterator

from vlatui.asking.start_form import StartForm, words_of
from vlatui.look.words import tr

FIELD_OF = {
    "--config": "config", "--profile": "profile", "--name": "name", "--resume": "resume", "--gpus": "gpus",
    "--after": "after", "--project-root": "folder",
}  # fmt: skip
WITHOUT_VALUE = frozenset({"--tty", "--attach", "--follow", "--dry-run", "--json", "--from-scratch", "--help", "-h"})
PREFIX = ("vlad", "start")


def line_of(form: StartForm) -> str:
    """The form as one line. Raises ValueError for a form that means nothing."""
    return shlex.join(form.arguments()[1:])


def form_of_line(line: str) -> StartForm:
    """The form that a line means; a `vlad start` in front, as when it was copied, is left out.

    Raises ValueError for a line that no form can say.
    """
    words = words_of(line)
    if tuple(words[:2]) == PREFIX:
        words = words[2:]
    border = words.index("--") if "--" in words else len(words)
    values: dict[str, str] = {"command": shlex.join(words[border + 1 :])}
    figures: list[str] = []
    overrides: list[str] = []
    others: list[str] = []
    for option, value in _pairs(words[:border]):
        field = FIELD_OF.get(option)
        if not option:
            figures.append(value or "")
        elif option == "--set" and value is not None:
            overrides.append(shlex.quote(value))
        elif field and value is not None and field not in values:
            values[field] = value
        else:
            others += [option] if value is None else [option, value]
    if values["command"] and (figures or overrides):
        wrong = repr((figures or overrides)[0])
        raise ValueError(tr("{word} is for our trainer; it means nothing to the command after --", word=wrong))
    return StartForm(
        **values, nproc=figures[0] if figures else "", figures=shlex.join(figures[1:]), overrides=" ".join(overrides),
        options=shlex.join(others),
    )  # fmt: skip


def _pairs(words: list[str]) -> Iterator[tuple[str, str | None]]:
    """(option, its value), (option, None) for one without, ("", word) for a word that belongs to none."""
    left = iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield "", word
        elif equals:
            yield option, value
        elif word in WITHOUT_VALUE:
            yield word, None
        else:
            yield word, next(left, None)
