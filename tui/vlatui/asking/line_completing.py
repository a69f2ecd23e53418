"""Completion of the line for a new run: what may stand where the cursor is, and what it means. Pure."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec
from textual.suggester import Suggester

from vlatui.look.words import tr
from vlatui.sites.vlad import Answer

LONGEST_HINT = 120


class Option(msgspec.Struct, frozen=True):
    """An option of `vlad start`: `takes` is "nothing" for a switch."""

    flags: tuple[str, ...]
    takes: str
    help: str = ""
    values: tuple[str, ...] = ()


class StartWords(msgspec.Struct, frozen=True):
    """What `vlad completions start` answers: everything that its host knows by name."""

    options: tuple[Option, ...] = ()
    figures: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def option(self, flag: str) -> Option | None:
        return next((option for option in self.options if flag in option.flags), None)


@dataclass(frozen=True, slots=True)
class Completion:
    """What could stand for the word that is being typed, and a hint about it."""

    word: str = ""
    candidates: tuple[str, ...] = ()
    hint: str = ""
    needs_value: bool = False

    @property
    def common(self) -> str:
        """As much of the candidates as they have in common."""
        first, last = min(self.candidates, default=""), max(self.candidates, default="")
        pairs = zip(first, last, strict=False)
        return first[: next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(first), len(last)))]


def start_words(answer: Answer) -> StartWords:
    """Nothing for a vlad that does not tell."""
    try:
        return msgspec.json.decode(answer.output, type=StartWords)
    except msgspec.DecodeError:
        return StartWords()


def completion(line: str, words: StartWords, fields: Iterable[str]) -> Completion:
    """What is offered at the end of `line`; `fields` are those of the configuration."""
    *before, word = line.split(" ")
    before = [one for one in before if one]
    if "--" in before:
        return Completion(word, (), tr("a command to supervise, word for word"))
    flag, equals, value = word.partition("=")
    if word.startswith("-") and equals:
        return _of_value(words, flag, value, fields)
    if word.startswith("-"):
        flags = tuple(flag for option in words.options for flag in option.flags if flag.startswith(word))
        exact = words.option(word)
        return Completion(word, (*flags, *(("--",) if word in ("-", "--") else ())), exact.help if exact else "")
    option = words.option(before[-1]) if before else None
    if option is not None and option.takes != "nothing":
        return _of_value(words, before[-1], word, fields)
    return _of_figure(words, before, word)


def _of_value(words: StartWords, flag: str, value: str, fields: Iterable[str]) -> Completion:
    option = words.option(flag)
    known: dict[str, Iterable[str]] = {
        "--config": words.configs, "--profile": words.profiles, "--after": words.runs, "--after-any": words.runs,
        "--resume": ("newest",), "--set": sorted(f"{field}=" for field in fields),
    }  # fmt: skip
    offered = known.get(flag, option.values if option else ())
    fitting = tuple(one for one in offered if one.startswith(value) and one != value)
    hint = f"{flag}: {option.help}"[:LONGEST_HINT] if option else ""
    return Completion(value, fitting, hint, needs_value=not value)


def _of_figure(words: StartWords, before: list[str], word: str) -> Completion:
    """Figures stand first; what comes after an option is left alone."""
    count = sum(not one.startswith("-") for one in before)
    if any(one.startswith("-") for one in before) or count >= len(words.figures):
        return Completion(word, (), "" if word else tr("- lists the options"))
    told = [f"[{name}]" if number == count else name for number, name in enumerate(words.figures)]
    candidates = ("auto",) if count == 0 and "auto".startswith(word) and word not in ("", "auto") else ()
    return Completion(word, candidates, " ".join(told))


def completed_line(line: str, candidate: str, word: str) -> str:
    """`line` with its last word completed; a candidate that a shell would split is quoted."""
    quoted = candidate if candidate.endswith("=") or not candidate else shlex.quote(candidate)
    return line[: len(line) - len(word)] + quoted


def unknown_option(line: str, words: StartWords) -> str:
    """Words about an option that `vlad start` has not; empty where there is none."""
    words_typed = line.split(" ")
    typed = words_typed[: words_typed.index("--") + 1] if "--" in words_typed else words_typed
    flags = [flag for option in words.options for flag in option.flags]
    for word in typed[:-1] if flags else ():
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag != "--" and flag not in flags:
            close = get_close_matches(flag, flags, n=1)
            if close:
                return tr("{option} is no option of vlad start, did you mean {close}?", option=flag, close=close[0])
            return tr("{option} is no option of vlad start", option=flag)
    return ""


class LineSuggester(Suggester):
    """Shows the first of what could be meant behind the cursor."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.words = StartWords()
        self.fields: tuple[str, ...] = ()

    def completion(self, line: str) -> Completion:
        return completion(line, self.words, self.fields)

    async def get_suggestion(self, value: str) -> str | None:
        found = self.completion(value)
        if not found.candidates or not (found.word or len(found.candidates) == 1):
            return None
        return completed_line(value, min(found.candidates, key=len), found.word)
