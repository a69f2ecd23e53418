"""Labels in the user's language: English as written in the code, or the words that a catalogue has for them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from vlad.records.wording import Wording


class Language(StrEnum):
    """What labels can be shown in."""

    ENGLISH = "en"
    CHINESE = "zh"


def catalogue_of(language: Language) -> Mapping[str, str]:
    """The words of every label, by its English ones; loaded when they are wanted."""
    if language is Language.ENGLISH:
        return {}
    from vlatui.look.chinese import CHINESE
    from vlatui.look.chinese_causes import CAUSES
    from vlatui.look.chinese_sentences import SENTENCES

    return CHINESE | SENTENCES | CAUSES


_chosen: list[Mapping[str, str]] = [{}]


def choose(language: Language) -> None:
    """Every label from now on is in this language; made once, before the first picture."""
    _chosen[0] = catalogue_of(language)


def tr(label: str, /, **values: object) -> str:
    """A label of ours in the chosen language, with `values` for what stands in braces.

    Never for what a run, a log or a user says.
    """
    words = _chosen[0].get(label, label)
    return words.format(**values) if values else words


def told(wordings: Iterable[Wording], english: str) -> str:
    """What vlad has put on record as sentences, in the chosen language; `english`, its own words, where we have none.

    Records come from anywhere, other hosts included: only sentences of our catalogue have their values put in.
    """
    catalogue = _chosen[0]
    if not catalogue:
        return english
    try:
        return "; ".join(_in_words(one, catalogue) for one in wordings) or english
    except LookupError:
        return english


def _in_words(wording: Wording, catalogue: Mapping[str, str]) -> str:
    """Raises LookupError for a sentence that is not ours, or lacks a value."""
    if wording.values:
        return catalogue[wording.sentence].format(**wording.values)
    return catalogue.get(wording.sentence, wording.sentence)


def language_of(environment: Mapping[str, str]) -> Language:
    """The language that LC_ALL, LC_MESSAGES or LANG ask for, in this order; English for those that we do not have."""
    wanted = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return Language.CHINESE if wanted.lower().startswith("zh") else Language.ENGLISH
