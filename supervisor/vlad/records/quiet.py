"""A run that tells nothing: since when, what is missing, and what will become of it."""

import msgspec

from vlad.records import figures
from vlad.records.outcome import Evidence
from vlad.records.wording import Wording, Wordings, english, word_for_word, worded


class Quiet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is on record of a silence that is longer than usual. Times in Unix seconds.

    `missing` is what should have come ("no step") and `usual` how it is otherwise ("a step takes 3 s"), in `wording` as
    a sentence. At `hung_at` the run counts as hung; with `restarts` it is ended and started anew then. `stacks` is the
    dump of its processes, relative to the run directory, and `evidence` the innermost frames that it shows.
    """

    since: float
    missing: str
    usual: str = ""
    wording: Wording | None = None
    hung_at: float | None = None
    restarts: bool = False
    is_hung: bool = False
    stacks: str | None = None
    evidence: tuple[Evidence, ...] = ()

    def words(self, at: float) -> str:
        """E.g. "no step for 12m 00s; a step takes 3 s"."""
        told = f"{self.missing} for {figures.duration(at - self.since)}"
        return f"{told}; {self.usual}" if self.usual else told

    def outlook(self, at: float) -> Wordings:
        """What comes next; empty where nothing does by itself."""
        if self.is_hung:
            return (Wording("it is ended and restarted"),) if self.restarts else ()
        if self.hung_at is None:
            return ()
        left = figures.duration(self.hung_at - at)
        return (worded("is restarted in {time}" if self.restarts else "counts as hung in {time}", time=left),)

    def told(self, at: float) -> str:
        """Both in one line."""
        return english((*word_for_word(self.words(at)), *self.outlook(at)))

    def said(self, at: float) -> Wordings:
        """The same, as it can be said in another language."""
        silence = Wording(f"{self.missing} for {{time}}", {"time": figures.duration(at - self.since)})
        usual = (self.wording,) if self.wording is not None else word_for_word(self.usual)
        return (silence, *usual, *self.outlook(at))
