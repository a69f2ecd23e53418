"""Columns of a table: how wide each must be, which fit, and where they stand. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from vlatui.look.tones import Cell, width_of
from vlatui.look.words import tr

GAP = 2
LEAST_GAP = 1
MARGIN = 2
MOST_EXTRA_GAP = 3
LITTLE_WORTH = 9


@dataclass(frozen=True, slots=True)
class Column:
    """A column as wide as its title and its content, from `width` to `most` cells. Only one that grows may be cut
    below its content, down to `width`, or be narrower where that is all it holds. When room is short the highest
    `priority` number goes first, 0 never; those of little worth go before a growing one is cut below `eased` cells."""

    key: str
    title: str
    width: int
    align: str = "left"
    priority: int = 0
    grows: bool = False
    most: int = 1000
    eased: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row: one cell a column key; columns without a cell stay blank. One with a `heading` has nothing else."""

    key: str
    cells: dict[str, Cell]
    is_dimmed: bool = False
    heading: Cell = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column stands."""

    column: Column
    x: int
    width: int


def measured(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, int]:
    """The cells that each column's title and content take, within the column's bounds."""
    return {column.key: _content_width(column, rows) for column in columns}


def _content_width(column: Column, rows: Sequence[Row]) -> int:
    contents = (width_of(row.cells.get(column.key, ())) for row in rows)
    least = 0 if column.grows else column.width
    return max(least, cell_len(tr(column.title)), min(column.most, max(contents, default=0)))


def laid_out(columns: Sequence[Column], wanted: Mapping[str, int], width: int) -> tuple[Place, ...]:
    """The columns that fit into `width` cells, with their places; `wanted` as measured.

    Gaps shrink before a column is left out; what room is left over goes to growing columns, then into the gaps.
    """
    kept, gap = list(columns), GAP
    widths: dict[str, int] = {}
    for is_eased, least_priority in ((True, LITTLE_WORTH), (False, 1)):
        widths = {column.key: _least(column, wanted.get(column.key, column.width), is_eased) for column in columns}
        gap = gap if _needed(kept, widths, gap) <= width else LEAST_GAP
        while _needed(kept, widths, gap) > width and _spare_one(kept, least_priority):
            pass
    spare = max(0, width - _needed(kept, widths, gap))
    for column in kept:
        more = min(spare, max(0, wanted.get(column.key, 0) - widths[column.key]))
        widths[column.key] += more
        spare -= more
    extra = min(MOST_EXTRA_GAP, spare // max(1, len(kept) - 1))
    if growing := next((column for column in kept if column.grows), None):
        rest = spare - extra * (len(kept) - 1)
        widths[growing.key] += min(rest, max(0, growing.most - widths[growing.key]))
    return _placed(kept, widths, gap + extra)


def _least(column: Column, wanted: int, is_eased: bool) -> int:
    return min(max(column.width, column.eased * is_eased), wanted) if column.grows else wanted


def _spare_one(kept: list[Column], least_priority: int) -> bool:
    """Leaves out the column that is worth least; False where each is worth more than that."""
    spared = [column for column in kept if column.priority >= least_priority]
    if spared:
        kept.remove(max(spared, key=lambda column: column.priority))
    return bool(spared)


def differs(before: Row, after: Row, key: str) -> bool:
    return before.cells.get(key) != after.cells.get(key)


def _placed(columns: Sequence[Column], widths: Mapping[str, int], gap: int) -> tuple[Place, ...]:
    places, x = [], MARGIN
    for column in columns:
        places.append(Place(column, x, widths[column.key]))
        x += widths[column.key] + (min(gap, GAP) if column.width == 1 else gap)
    return tuple(places)


def _needed(columns: Sequence[Column], widths: Mapping[str, int], gap: int) -> int:
    return MARGIN + sum(widths[column.key] for column in columns) + gap * (len(columns) - 1) + 1
