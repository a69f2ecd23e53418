"""Completion of what is typed into the form for a new run. Pure, but for Textual's class of suggesters."""

from collections.abc import Iterable, Mapping

from textual.suggester import Suggester
from vlad.records.spec import ConfigValue

from vlatui.look.words import tr


def last_word(text: str) -> str:
    """The word that is being typed: what follows the last space."""
    return text.rpartition(" ")[2]


def completed(text: str, fields: Iterable[str]) -> str | None:
    """`text` with its last word completed to `field=`; None where no field begins like that."""
    word = last_word(text)
    if not word or "=" in word:
        return None
    found = min(
        (field for field in fields if field.startswith(word)), key=lambda field: (len(field), field), default=None
    )
    return None if found is None else text + found[len(word) :] + "="


def field_hint(text: str, config: Mapping[str, ConfigValue]) -> str:
    """What the field that is being typed is now and why; empty where no field is typed."""
    field = last_word(text).partition("=")[0]
    if field not in config:
        return ""
    value = config[field].value
    return tr(
        "{field} is {value}, from {origin}",
        field=field,
        value="none" if value is None else value,
        origin=config[field].origin,
    )


class FieldSuggester(Suggester):
    """Completes names of fields within a list of field=value."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.fields: tuple[str, ...] = ()

    async def get_suggestion(self, value: str) -> str | None:
        return completed(value, self.fields)
