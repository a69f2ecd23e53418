"""Labels in Chinese: every one of them has its words, and wide characters keep columns aligned."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
import vlad
import vlatui
from dashboards import Make, Runs, until_read
from rich.cells import cell_len
from screen_text import screen_text, until_shown
from textual.binding import Binding
from textual.dom import DOMNode
from vlad.policy.advice import Advice
from vlad.policy.diagnose import CRASHED, KILLED
from vlad.policy.failure_rules import RULES
from vlad.policy.hang import usual_of
from vlad.policy.kernel_messages import BROKEN_GPU, KILLED_FOR, gpu_sentence
from vlad.policy.scheduler_lines import CANCELLED_FOR
from vlad.records.progress import Phase
from vlad.records.quiet import Quiet
from vlad.records.run import State
from vlad.records.spec import HangPolicy, Kind
from vlad.records.summary import Summary
from vlad.records.wording import Wording, english, word_for_word, worded
from vlatui.look.chinese import CHINESE
from vlatui.look.chinese_causes import CAUSES
from vlatui.look.chinese_sentences import SENTENCES
from vlatui.look.columns import Column, Place, Row, laid_out, measured
from vlatui.look.tones import Span, Tone, broken_line, broken_text, cell
from vlatui.look.words import Language, catalogue_of, choose, language_of, told, tr
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


def put_on_record() -> Iterator[str]:
    """The sentences that vlad's own sources say as such."""
    for path in Path(vlad.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="worded" | "Wording"), args=[ast.Constant(value=str(sentence)), *_]):
                    yield sentence


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


def test_no_sentence_that_vlad_puts_on_record_is_without_its_chinese_words() -> None:
    said = {*put_on_record(), *(rule.summary for rule in RULES), *KILLED_FOR.values(), *CRASHED, *KILLED}
    said |= {Advice.RESUME, *(advice.removesuffix(f"; {Advice.RESUME}") for advice in Advice)}
    said |= {gpu_sentence(xid) for xid in BROKEN_GPU} | {wording.sentence for _, wording in CANCELLED_FOR.values()}
    said |= {f"no sign of life while {phase} for {{time}}" for phase in Phase}
    said |= {f"{phase} takes {{time}} in all" for phase in Phase}
    said |= {"no step for {time}", "nothing in its log for {time}"}
    said |= {"is restarted in {time}", "counts as hung in {time}"}
    assert len(said) > 90
    assert sorted(sentence for sentence in said if sentence not in catalogue_of(Language.CHINESE)) == []


@pytest.mark.parametrize("kind", Kind)
def test_a_silence_is_told_in_the_chosen_language(chinese: None, kind: Kind) -> None:
    usual = usual_of(HangPolicy(after_s=600), kind, Summary(step_at=1.0, typical_step_s=3.0, phase=Phase.TRAINING))
    quiet = Quiet(since=0, missing=usual.missing, usual=usual.usual, wording=usual.wording, hung_at=usual.bound_s)
    words = told(quiet.said(300), quiet.told(300))
    assert "每步通常 3 s; 5m 00s后视为卡住" in words
    assert not re.search("[a-z]{4}", words)


def test_each_label_has_its_words_once() -> None:
    assert len(catalogue_of(Language.CHINESE)) == len(CHINESE) + len(SENTENCES) + len(CAUSES)


def test_what_vlad_has_said_is_told_in_the_chosen_language(chinese: None) -> None:
    ended, spent = worded("exit code {code}", code=3), worded("restart {number} of {budget} without new checkpoint",
                                                                number=1, budget=5)  # fmt: skip
    assert told((ended, spent), english((ended, spent))) == "退出码 3; 没有新检查点的第 1 次重启,共 5 次"
    assert told(word_for_word("ValueError: {x}"), "ValueError: {x}") == "ValueError: {x}"


@pytest.mark.parametrize(
    "wording",
    [
        Wording("{x:>999999999}", {"x": "1"}),
        Wording("{x.__class__}", {"x": "1"}),
        Wording("exit code {code}", {"other": "1"}),
        Wording("exit code {0}", {"0": "1"}),
    ],
)
def test_a_sentence_that_is_not_ours_is_never_formatted(chinese: None, wording: Wording) -> None:
    assert told((wording,), "as vlad said it") == "as vlad said it"


def test_what_is_put_in_is_put_in_in_both_languages() -> None:
    for label, words in catalogue_of(Language.CHINESE).items():
        assert sorted(IN_BRACES.findall(label)) == sorted(IN_BRACES.findall(words)), label


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


@pytest.mark.parametrize(
    ("texts", "width", "expected"),
    [
        (("  s     ", "stops the run, first it saves"), 28, ["  s     stops the run, first", "        it saves"]),
        (("    at one.py:12 in a function",), 24, ["    at one.py:12 in a", "    function"]),
        (("short",), 24, ["short"]),
        (("far to the right ", "no room for it here"), 24, ["far to the right no room for it here"]),
        (("wordwithoutanybreakatall",), 20, ["wordwithoutanybreaka", "tall"]),
    ],
    ids=["a key", "indented", "fits", "no room", "one word"],
)
def test_a_long_line_goes_on_below_where_its_last_part_began(
    texts: tuple[str, ...], width: int, expected: list[str]
) -> None:
    lines = broken_line([Span(text, Tone.MUTED) for text in texts], width)
    assert ["".join(span.text for span in line) for line in lines] == expected
