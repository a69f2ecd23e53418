"""Completion of the line for a new run."""

import pytest
from vlatui.asking.line_completing import (
    LineSuggester,
    Option,
    StartWords,
    completed_line,
    completion,
    start_words,
    unknown_option,
)
from vlatui.sites.vlad import Answer

WORDS = StartWords(
    options=(
        Option(("--config",), "file", "YAML of the trainer's fields"),
        Option(("--gpus",), "anything", "wait for GPUs", ("auto", "none")),
        Option(("--profile",), "value"),
        Option(("--tty",), "nothing", "with a terminal"),
        Option(("--set",), "anything"),
        Option(("--after",), "run"),
    ),
    figures=("NPROC", "TARGET_STEPS"),
    configs=("configs/demo.yaml", "configs/my demo.yaml", "old.yaml"),
    profiles=("4090_1gpu", "v100_8gpu"),
    runs=("last", "spatial"),
)
FIELDS = ("learning_rate", "lora_rank", "seed")


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("a", ("auto",)),
        ("auto 500 --g", ("--gpus",)),
        ("--gpus ", ("auto", "none")),
        ("--gpus n", ("none",)),
        ("--gpus=a", ("auto",)),
        ("--config conf", ("configs/demo.yaml", "configs/my demo.yaml")),
        ("--profile v", ("v100_8gpu",)),
        ("--set l", ("learning_rate=", "lora_rank=")),
        ("--set=se", ("seed=",)),
        ("--after s", ("spatial",)),
        ("--resume n", ()),
        ("--tty s", ()),
        ("-- torchrun --g", ()),
    ],
)
def test_what_may_stand_there_is_offered(line: str, candidates: tuple[str, ...]) -> None:
    assert completion(line, WORDS, FIELDS).candidates == candidates


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("", "[NPROC] TARGET_STEPS"),
        ("auto 5", "NPROC [TARGET_STEPS]"),
        ("auto 5 6", ""),
        ("--tty", "with a terminal"),
        ("--gpus 2", "--gpus: wait for GPUs"),
        ("-- python", "a command to supervise, word for word"),
    ],
)
def test_what_is_being_typed_is_explained(line: str, hint: str) -> None:
    assert completion(line, WORDS, FIELDS).hint == hint


def test_a_completed_word_is_quoted_where_a_shell_would_split_it() -> None:
    assert completed_line("--config con", "configs/my demo.yaml", "con") == "--config 'configs/my demo.yaml'"
    assert completed_line("--set le", "learning_rate=", "le") == "--set learning_rate="


def test_candidates_are_completed_as_far_as_they_agree() -> None:
    assert completion("--config c", WORDS, ()).common == "configs/"
    assert completion("--gpus ", WORDS, ()).common == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 --gpsu 2", "--gpsu is no option of vlad start, did you mean --gpus?"),
        ("2 --gpsu", ""),
        ("2 --gpus 2", ""),
        ("-- torchrun --gpsu 2", ""),
    ],
)
def test_an_option_that_there_is_not_is_told_once_it_is_typed(line: str, words: str) -> None:
    assert unknown_option(line, WORDS) == words


def test_nothing_is_wrong_before_the_options_are_known() -> None:
    assert unknown_option("--anything 2", StartWords()) == ""
    assert start_words(Answer(False, "vlad: invalid choice")) == StartWords()


async def test_the_shortest_candidate_stands_behind_the_cursor() -> None:
    suggester = LineSuggester()
    suggester.words = WORDS
    assert await suggester.get_suggestion("2 --co") == "2 --config"
    assert await suggester.get_suggestion("2 --gpus ") is None
    assert await suggester.get_suggestion("2") is None
