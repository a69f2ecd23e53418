"""A logged step that is told when its numbers have come from the device, while the next step is computed there."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Telling:
    """At most one step waits. What comes behind it in the log calls `now` first, so that the order is that of steps."""

    _untold: Callable[[], None] | None = None

    def later(self, tell: Callable[[], None]) -> None:
        """`tell` waits; one that waited before it is told."""
        self.now()
        self._untold = tell

    def now(self) -> None:
        """Tells what waits, once. Raises what that raises, such as TrainingError for a loss that is no number."""
        tell, self._untold = self._untold, None
        if tell is not None:
            tell()
