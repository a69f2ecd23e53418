"""Labels in the user's language: English as written in the code, or the words that a catalogue has for them."""

from collections.abc import Mapping
from enum import StrEnum

from vlatui.look.chinese import CHINESE


class Language(StrEnum):
    """What labels can be shown in."""

    ENGLISH = "en"
    CHINESE = "zh"


CATALOGUES: Mapping[Language, Mapping[str, str]] = {Language.ENGLISH: {}, Language.CHINESE: CHINESE}
_chosen = [CATALOGUES[Language.ENGLISH]]


def choose(language: Language) -> None:
    """Every label from now on is in this language; made once, before the first picture."""
    _chosen[0] = CATALOGUES[language]


def tr(label: str) -> str:
    """A label of ours in the chosen language. Never for what a run, a log or a user says."""
    return _chosen[0].get(label, label)


def language_of(environment: Mapping[str, str]) -> Language:
    """The language that LC_ALL, LC_MESSAGES or LANG ask for, in this order; English for those that we do not have."""
    wanted = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return Language.CHINESE if wanted.lower().startswith("zh") else Language.ENGLISH
