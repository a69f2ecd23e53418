"""The table: columns that fit, a cursor that stays, and repainting of nothing but what changed."""

from functools import partial
from typing import ClassVar

import pytest
from screen_text import until, widget_text
from textual.app import App, ComposeResult
from textual.geometry import Region
from vlatui.look.columns import Column, Row, laid_out, measured
from vlatui.look.tones import cell
from vlatui.widgets.table import Table

COLUMNS = (
    Column("name", "NAME", 6, grows=True),
    Column("step", "STEP", 4, align="right", priority=1),
    Column("loss", "LOSS", 4, align="right", priority=2),
)


def row(key: str, step: int, loss: str = "0.5") -> Row:
    return Row(key, {"name": cell(f"run {key}"), "step": cell(str(step)), "loss": cell(loss)})


class RecordingTable(Table):
    """Remembers which regions it asked to be repainted."""

    asked: ClassVar[list[tuple[Region, ...]]] = []

    def refresh(self, *regions: Region, **options: bool) -> "RecordingTable":
        self.asked.append(regions)
        return super().refresh(*regions, **options)


class TableApp(App[None]):
    CSS = "".join(f".tone--{tone} {{ }}" for tone in ("plain",))

    def compose(self) -> ComposeResult:
        yield RecordingTable(COLUMNS)

    @property
    def table(self) -> RecordingTable:
        return self.query_one(RecordingTable)


async def test_a_changed_cell_is_repainted_and_nothing_else() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows([row("a", 1), row("b", 2), row("c", 3)])
        await pilot.pause()
        app.table.asked.clear()
        app.table.show_rows([row("a", 1), row("b", 7), row("c", 3)])
        (regions,) = app.table.asked
        assert len(regions) == 1
        assert (regions[0].y, regions[0].height) == (2, 1)
        assert regions[0].right < 40


async def test_unchanged_rows_repaint_nothing() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows([row("a", 1)])
        await pilot.pause()
        app.table.asked.clear()
        app.table.show_rows([row("a", 1)])
        assert app.table.asked == []


async def test_the_cursor_stays_on_its_row_when_rows_come_and_go() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.focus()
        app.table.show_rows([row("a", 1), row("b", 2), row("c", 3)])
        await pilot.press("j")
        await until(pilot, lambda: app.table.cursor_key == "b")
        app.table.show_rows([row("new", 0), row("a", 1), row("b", 2), row("c", 3)])
        assert app.table.cursor_key == "b"
        app.table.show_rows([row("a", 1)])
        assert app.table.cursor_key == "a"


async def test_where_the_newest_is_followed_the_cursor_leaves_it_only_by_hand() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.follows_first = True
        app.table.focus()
        app.table.show_rows([row("a", 1)])
        app.table.show_rows([row("b", 2), row("a", 1)])
        assert app.table.cursor_key == "b"
        await pilot.press("j")
        await until(pilot, lambda: app.table.cursor_key == "a")
        app.table.show_rows([row("c", 3), row("b", 2), row("a", 1)])
        assert app.table.cursor_key == "a"


def _stands_on(app: TableApp, key: str) -> bool:
    return app.table.cursor_key == key and f"run {key}" in widget_text(app.table)


async def test_keys_move_the_cursor_and_keep_it_in_view() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 6)) as pilot:
        app.table.focus()
        app.table.show_rows([row(f"{number:02}", number) for number in range(50)])
        await pilot.pause()
        for key, expected in (("G", "49"), ("g", "00"), ("down", "01"), ("k", "00"), ("ctrl+d", "04"), ("end", "49")):
            await pilot.press(key)
            await until(pilot, partial(_stands_on, app, expected), key)
        assert widget_text(app.table).splitlines()[0].split() == ["NAME", "STEP", "LOSS"]


async def test_numbers_that_change_shift_no_column() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 6)) as pilot:
        app.table.show_rows([row("a", 100_000)])
        await pilot.pause()
        before = widget_text(app.table).splitlines()[0]
        app.table.show_rows([row("a", 1)])
        await pilot.pause()
        assert widget_text(app.table).splitlines()[0] == before


async def test_an_empty_table_says_what_to_do() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 6)) as pilot:
        app.table.show_rows([], ("Nothing here.", "n makes something"))
        await pilot.pause()
        assert "Nothing here." in widget_text(app.table)
        assert "n makes something" in widget_text(app.table)


@pytest.mark.parametrize(
    ("width", "shown"), [(60, ["name", "step", "loss"]), (16, ["name", "step"]), (10, ["name"]), (1, ["name"])]
)
def test_columns_leave_in_the_order_of_their_priority(width: int, shown: list[str]) -> None:
    places = laid_out(COLUMNS, measured(COLUMNS, [row("a", 1)]), width)
    assert [place.column.key for place in places] == shown


@pytest.mark.parametrize("width", range(1, 120, 7))
def test_columns_never_overlap_and_end_inside(width: int) -> None:
    places = laid_out(COLUMNS, measured(COLUMNS, [row("a", 12345, "0.123456")]), width)
    ends = [0, *(place.x + place.width for place in places)]
    assert all(place.x >= end for place, end in zip(places, ends, strict=False))
    assert len(places) == 1 or ends[-1] <= width


async def test_the_cursor_stays_in_view_when_rows_come_before_it() -> None:
    app = TableApp()
    rows = [row(f"{number:02}", number) for number in range(20)]
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.focus()
        app.table.show_rows(rows[12:14])
        await pilot.press("j")
        await until(pilot, partial(_stands_on, app, "13"))
        app.table.show_rows(rows)
        await until(pilot, partial(_stands_on, app, "13"))


async def test_the_cursor_stays_in_view_when_there_is_less_room() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows([row(f"{number:02}", number) for number in range(20)])
        app.table.move_cursor(5)
        await until(pilot, partial(_stands_on, app, "05"))
        await pilot.resize_terminal(40, 4)
        await until(pilot, lambda: app.table.size.height == 4 and _stands_on(app, "05"))


async def test_a_row_that_was_scrolled_out_of_view_stays_there_when_rows_come() -> None:
    app = TableApp()
    rows = [row(f"{number:02}", number) for number in range(20)]
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows(rows[1:])
        await pilot.pause()
        app.table.scroll_to(y=10, animate=False, force=True)
        await until(pilot, lambda: "run 11" in widget_text(app.table))
        app.table.show_rows(rows)
        assert app.table.cursor_key == "01"
        assert "run 10" in widget_text(app.table)
        assert "run 01" not in widget_text(app.table)


def _is_on(app: TableApp, key: str) -> bool:
    return app.table.cursor_key == key


def heading(text: str, key: str = "heading") -> Row:
    return Row(key, {}, heading=cell(text))


async def test_the_cursor_never_stands_on_a_heading() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.focus()
        app.table.show_rows([heading("one", "1"), row("a", 1), row("b", 2), heading("two", "2"), row("c", 3)])
        await pilot.pause()
        for key, expected in (("k", "a"), ("j", "b"), ("j", "c"), ("j", "c"), ("k", "b"), ("g", "a"), ("G", "c")):
            await pilot.press(key)
            await until(pilot, partial(_is_on, app, expected), key)
        app.table.show_rows([heading("one", "1"), row("a", 1), row("b", 2), heading("two", "2"), row("d", 3)])
        assert app.table.cursor_key == "d"
        app.table.show_rows([heading("one", "1")])
        assert app.table.cursor_key is None


async def test_a_heading_comes_into_view_with_its_first_row() -> None:
    app = TableApp()
    rows = [row(f"{number:02}", number) for number in range(20)]
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.focus()
        app.table.show_rows([heading("All of them"), *rows])
        await pilot.press("G")
        await until(pilot, partial(_stands_on, app, "19"))
        assert "All of them" not in widget_text(app.table)
        await pilot.press("g")
        await until(pilot, partial(_stands_on, app, "00"))
        await until(pilot, lambda: "All of them──" in widget_text(app.table))


async def test_of_headings_and_rows_only_what_changed_is_repainted() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows([heading("Live 1"), row("a", 1), heading("Ended 1", "2"), row("b", 2)])
        await pilot.pause()
        app.table.asked.clear()
        app.table.show_rows([heading("Live 1"), row("a", 1), heading("Ended 1", "2"), row("b", 2)])
        assert app.table.asked == []
        app.table.show_rows([heading("Live 9"), row("a", 1), heading("Ended 1", "2"), row("b", 2)])
        (regions,) = app.table.asked
        assert [(region.y, region.height) for region in regions] == [(1, 1)]


async def test_a_click_on_a_heading_chooses_nothing() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.show_rows([heading("one", "1"), row("a", 1), heading("two", "2"), row("b", 2)])
        await pilot.pause()
        await pilot.click(app.table, offset=(5, 4))
        await until(pilot, partial(_is_on, app, "b"))
        await pilot.click(app.table, offset=(5, 3))
        await pilot.click(app.table, offset=(5, 1))
        assert app.table.cursor_key == "b"


@pytest.mark.parametrize(("key", "stands_on"), [("G", "19"), ("g", "00")])
async def test_a_key_to_the_row_of_the_cursor_brings_it_back_into_view(key: str, stands_on: str) -> None:
    app = TableApp()
    async with app.run_test(size=(40, 8)) as pilot:
        app.table.focus()
        app.table.show_rows([row(f"{number:02}", number) for number in range(20)])
        await pilot.press(key)
        await until(pilot, partial(_stands_on, app, stands_on))
        app.table.scroll_to(y=0 if key == "G" else 13, animate=False, force=True)
        await until(pilot, lambda: not _stands_on(app, stands_on))
        await pilot.press(key)
        await until(pilot, partial(_stands_on, app, stands_on))


@pytest.mark.parametrize(
    ("width", "expected"),
    [(40, {"name": 12, "state": 8, "tty": 8}), (30, {"name": 16, "state": 8}), (20, {"name": 8, "state": 8})],
    ids=["room for all", "what is worth little goes first", "then it is cut"],
)
def test_a_growing_column_is_cut_below_its_ease_only_where_nothing_of_little_worth_is_left(
    width: int, expected: dict[str, int]
) -> None:
    columns = (
        Column("name", "RUN", 4, grows=True, most=16, eased=16),
        Column("state", "STATE", 8),
        Column("tty", "TTY", 8, priority=9),
    )
    places = laid_out(columns, measured(columns, [Row("a", {"name": cell("a name of 16 ch.")})]), width)
    found = {place.column.key: place.width for place in places}
    assert found.keys() == expected.keys()
    assert found["name"] >= expected["name"]
