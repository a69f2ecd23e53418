"""What vlad says as a sentence and what is put into it, so that whoever shows it can say it in another language."""

from collections.abc import Iterable

import msgspec


class Wording(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sentence of vlad's, and the text for each of its braces. One without values is meant to the letter."""

    sentence: str
    values: dict[str, str] = {}

    @property
    def english(self) -> str:
        """Only for a sentence of our own: one that was read from a file is never formatted."""
        return self.sentence.format(**self.values) if self.values else self.sentence


Wordings = tuple[Wording, ...]


def worded(sentence: str, /, **values: object) -> Wording:
    """`sentence` with a value for each of its braces."""
    return Wording(sentence, {name: str(value) for name, value in values.items()})


def english(wordings: Iterable[Wording]) -> str:
    """Sentences of ours as one."""
    return "; ".join(wording.english for wording in wordings)


def word_for_word(text: str) -> Wordings:
    """A text that was said elsewhere."""
    return (Wording(text),) if text else ()
