"""Walking through the lines that a search found. Pure."""

from array import array
from bisect import bisect_left, bisect_right


def neighbour(lines: "array[int]", current: int | None, by: int, end: int) -> int:
    """The index of the match after (or before) the present one, going round at the ends."""
    if current is None:
        current = end
    at = bisect_right(lines, current) if by > 0 else bisect_left(lines, current) - 1
    return at % len(lines)
