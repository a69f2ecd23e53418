"""Labels in Chinese: every one of them has its words, and wide characters keep columns aligned."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
import vlatui
from dashboards import Make, Runs, until_read
from rich.cells import cell_len
from screen_text import screen_text, until_shown
from textual.binding import Binding
from textual.dom import DOMNode
from vlad.records.progress import Phase
from vlad.records.run import State
from vlatui.look.columns import Column, Place, Row, laid_out, measured
from vlatui.look.tones import broken_text, cell
from vlatui.look.words import Language, catalogue_of, choose, language_of, tr
from vlatui.screens.ends import SAID
from vlatui.screens.navigation import TABS
from vlatui.telling.run_filter import RunSort
from vlatui.telling.run_groups import RunGroup
from vlatui.widgets.log_pane import LogPane
from vlatui.widgets.start_fields import FIELDS

SOURCES = Path(vlatui.__file__).parent
IN_BRACES = re.compile(r"\{\w+\}")


@pytest.fixture
def chinese() -> Iterator[None]:
    choose(Language.CHINESE)
    yield
    choose(Language.ENGLISH)


def literal_labels() -> Iterator[str]:
    """What is given to tr(), to facts, and stands alone where there is nothing to show, anywhere in the sources."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="tr" | "_fact"), args=[ast.Constant(value=str(label)), *_]):
                    yield label


def of_modules() -> Iterator[str]:
    """Titles of columns, and lines for empty tables, wherever they are declared."""
    for found in walk_packages(vlatui.__path__, "vlatui."):
        for name, value in vars(import_module(found.name)).items():
            if isinstance(value, tuple) and value and all(isinstance(one, Column) for one in value):
                yield from (one.title for one in value)
            if name.startswith(("NO_", "EMPTY_")) and isinstance(value, tuple):
                yield from value


def of_keys(kind: type[DOMNode] = DOMNode) -> Iterator[str]:
    """Descriptions of all keys of our widgets and screens."""
    for owner in kind.__subclasses__():
        yield from of_keys(owner)
        if owner.__module__.startswith("vlatui."):
            for binding in Binding.make_bindings(owner.__dict__.get("BINDINGS", [])):
                yield from (binding.description, binding.tooltip)


def test_no_label_is_without_its_chinese_words() -> None:
    labels = {*literal_labels(), *of_modules(), *of_keys(), *(name for _, name in TABS), *LogPane.PROMPTS.values()}
    labels |= {label for _, label, _ in FIELDS} | {str(one) for one in (*RunSort, *RunGroup, *SAID.values())}
    labels |= {state.value.lower() for state in State} | {str(phase) for phase in Phase}
    assert len(labels) > 150
    assert sorted(label for label in labels - catalogue_of(Language.CHINESE).keys() if label) == []


def test_what_is_put_in_is_put_in_in_both_languages() -> None:
    for english, words in catalogue_of(Language.CHINESE).items():
        assert sorted(IN_BRACES.findall(english)) == sorted(IN_BRACES.findall(words)), english


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, Language.CHINESE),
        ({"LANG": "zh_TW", "LC_ALL": "en_US.UTF-8"}, Language.ENGLISH),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "C"}, Language.CHINESE),
        ({"LANG": "de_DE.UTF-8"}, Language.ENGLISH),
        ({}, Language.ENGLISH),
    ],
)
def test_the_environment_asks_for_a_language(environment: dict[str, str], language: Language) -> None:
    assert language_of(environment) is language


def test_a_text_without_words_stays_as_it_is(chinese: None) -> None:
    assert (tr("Log"), tr("my_run")) == ("日志", "my_run")


def test_columns_are_as_wide_as_their_chinese_titles(chinese: None) -> None:
    columns = (Column("success", "SUCCESS", 1), Column("age", "AGE", 1))
    places = laid_out(columns, measured(columns, [Row("one", {"age": cell("1h")})]), 40)
    assert isinstance(places[0], Place)
    assert places[0].width == cell_len("成功率") == 6


def test_a_text_is_broken_by_cells_and_between_words() -> None:
    assert broken_text("one two three", 7) == ["one two", "three"]
    assert broken_text("当前步结束后保存检查点", 10) == ["当前步结束", "后保存检查", "点"]


async def test_the_dashboard_speaks_chinese_and_its_columns_stand(dashboard: Make, runs: Runs, chinese: None) -> None:
    app = dashboard()
    async with app.run_test(size=(110, 30)) as pilot:
        await until_shown(pilot, "3 个活动", "日志", "成功率", "运行中", "跟随中", "q 退出")
        rows = [row for row in screen_text(app).splitlines()[1:9] if "─" not in row]
        ends = {cell_len(row.rstrip()) for row in rows}
        assert len(ends) == 1, "the last column is aligned to the right in every row"
        await pilot.press("question_mark")
        await until_shown(pilot, "按键", "停止运行(或已标记的运行);先保存检查点")


async def test_english_is_what_the_code_says(dashboard: Make, runs: Runs) -> None:
    app = dashboard()
    async with app.run_test(size=(110, 30)) as pilot:
        await until_read(pilot)
        await until_shown(pilot, "SUCCESS", "q Quit")
