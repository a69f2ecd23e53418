"""A run that tells nothing: since when, what is missing, and what will become of it."""

import msgspec

from vlad.records import figures
from vlad.records.outcome import Evidence


class Quiet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is on record of a silence that is longer than usual. Times in Unix seconds.

    `missing` is what should have come ("no step") and `usual` how it is otherwise ("a step takes 3 s"). At `hung_at`
    the run counts as hung; with `restarts` it is ended and started anew then. `stacks` is the dump of its processes,
    relative to the run directory, and `evidence` the innermost frames that it shows.
    """

    since: float
    missing: str
    usual: str = ""
    hung_at: float | None = None
    restarts: bool = False
    is_hung: bool = False
    stacks: str | None = None
    evidence: tuple[Evidence, ...] = ()

    def words(self, at: float) -> str:
        """E.g. "no step for 12m 00s; a step takes 3 s"."""
        told = f"{self.missing} for {figures.duration(at - self.since)}"
        return f"{told}; {self.usual}" if self.usual else told

    def outlook(self, at: float) -> str:
        """What comes next; empty where nothing does by itself."""
        if self.is_hung:
            return "it is ended and restarted" if self.restarts else ""
        if self.hung_at is None:
            return ""
        then = "is restarted" if self.restarts else "counts as hung"
        return f"{then} in {figures.duration(self.hung_at - at)}"

    def told(self, at: float) -> str:
        """Both in one line."""
        return "; ".join(part for part in (self.words(at), self.outlook(at)) if part)
