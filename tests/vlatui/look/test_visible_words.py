"""Nothing is shown in English where Chinese is asked for: every visible text of the sources has its Chinese words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import vlatui
from vlad.host.run_processes import Role
from vlad.records.figures import terminal
from vlad.records.outcome import Cause, Diagnosis
from vlad.records.requests import Action
from vlatui.look.words import Language, catalogue_of
from vlatui.telling.describe import cause_words
from vlatui.telling.tables import STATE_WORDS

SOURCES = Path(vlatui.__file__).parent
CONFIDENCES = ("certain", "likely", "unknown")
FOUND_BY = ("redirection", "tee", "open file", "newest of its folder")
ON_THE_COMMAND_LINE = {"cli.py", "web.py", "chinese.py", "chinese_sentences.py"}
SHOWING = {"Span", "cell", "notify", "say", "warn", "ActionDone", "ActionFailed", "TextScreen", "LogFailed"}
WORDS = re.compile(r"[A-Za-z]{2,}.*[ …]|[A-Za-z]{2,}[ …]|^[a-z]{3,}$", re.DOTALL)
NO_WORDS = re.compile(r"^dialog |^[#.]|\(|=\{\}|^vlad start|^auto |^--|^torchrun |\| None")
"""Style classes, selectors, actions, colours, and commands to be typed as they stand."""
READ_BY_PROGRAMS = {
    "vlatrain plan: ", "Permission denied", "Host key verification failed", "invalid choice", "is no verb",
    "command line", "other configuration", "log reader", "GPU {}", "GPU {} ", "{}/{} GiB", "vlatui, {}@{}",
    "{} s/step", "{} steps/s", "collector {}", "watch {}", "neighbours {}", "{} answers", "{} words", "GPU  ", "vlatui",
    " … [{} bytes left out]", "{} is no host: write user@host, host: or user@host:/path/of/its/runs",
}  # fmt: skip
"""What other programs say, threads, units, and what is said before a language is chosen or kept in a file."""


def text_of(node: ast.AST) -> str | None:
    """A text as it stands in the sources, {} for what is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case _:
            return None


def without_documentation(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but docstrings, parts of texts, and what is given to tr()."""
    left_out = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as documentation):
                left_out.add(id(documentation))
            case ast.JoinedStr(values=parts):
                left_out |= {id(part) for part in parts if isinstance(part, ast.Constant)}
            case ast.Call(func=ast.Name(id="tr"), args=[label, *_]):
                left_out |= {id(part) for part in ast.walk(label)}
    yield from (node for node in ast.walk(tree) if id(node) not in left_out)


def labels(tree: ast.AST) -> Iterator[str]:
    """Everything that is given to tr() as it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value:
                    yield part.value


def shown_as_it_stands(tree: ast.AST) -> Iterator[str]:
    """Texts with letters that go straight to the screen, not through tr()."""
    for node in without_documentation(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            text = text_of(node.args[0]) if name in SHOWING else None
            if text and re.search(r"[A-Za-z]{2,}", text.replace("{}", "")):
                yield text


def sources() -> list[Path]:
    return sorted(path for path in SOURCES.rglob("*.py") if path.name not in ON_THE_COMMAND_LINE)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_every_visible_text_has_its_chinese_words(path: Path) -> None:
    chinese, tree = catalogue_of(Language.CHINESE), ast.parse(path.read_text())
    sentences = {
        text
        for node in without_documentation(tree)
        if (text := text_of(node)) and " " in text.strip() and WORDS.search(text) and not NO_WORDS.search(text)
    }
    known = chinese.keys() | set(chinese.values()) | READ_BY_PROGRAMS
    lacking = {*labels(tree), *sentences, *shown_as_it_stands(tree)} - known
    assert sorted(lacking) == []


def test_a_text_that_is_shown_as_it_stands_is_found() -> None:
    tree = ast.parse('"""Says it."""\nself.warn("no run")\nSpan(f"{count} runs")\nSpan(tr("all runs"))\nSpan("■■")\n')
    assert list(shown_as_it_stands(tree)) == ["no run", "{} runs"]
    assert list(labels(tree)) == ["all runs"]


def test_what_vlad_names_by_a_word_has_its_chinese_word() -> None:
    chinese = catalogue_of(Language.CHINESE)
    words = (
        {action.value for action in Action}
        | {role.value for role in Role if role is not Role.RANK}
        | {terminal(None)}
        | {*CONFIDENCES}
    )
    words |= {cause_words(Diagnosis(cause=cause, summary="")) for cause in Cause} | {*STATE_WORDS.values(), *FOUND_BY}
    assert sorted(words - chinese.keys() - {""}) == []
