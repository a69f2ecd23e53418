"""Words of the header, the filter, the outlook and the journal: pure functions of records."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fake_runs import NOW, nobody
from vlad.records.events import (
    AgentStarted,
    AnyEvent,
    AttemptEnded,
    AttemptStarted,
    Created,
    Leased,
    LeftBehind,
    Moved,
    Noted,
    Requested,
    RungReached,
    State,
    StopRung,
    Supervised,
    Waits,
)
from vlad.records.gpus import LeasedGpu, Leftover, QueuePlace
from vlad.records.home_view import RunView
from vlad.records.outcome import Exit
from vlad.records.progress import CheckpointSaved, Evaluation, Phase, ProgressLine, Reason, Warned, WarningOver
from vlad.records.quiet import Quiet
from vlad.records.run import Attempt, RunRecord
from vlad.records.summary import Summary, fold_progress
from vlatui.look.format import pace, shortened, shortened_path
from vlatui.look.tones import Span, Tone, fitted, justified, safe, width_of
from vlatui.telling import outlook
from vlatui.telling.describe import STATES, event_words
from vlatui.telling.evaluation_rows import evaluation_rows
from vlatui.telling.header import flowed, header_lines
from vlatui.telling.run_filter import RunFilter
from vlatui.telling.run_rows import run_row


def view(state: State = State.RUNNING, name: str = "demo", **summary: Any) -> RunView:
    record = RunRecord(
        run_id=f"20261122-0931-{name}-7f3a", name=name, state=state, seq=1, created_at=NOW, updated_at=NOW, host="h"
    )
    return RunView(record, Summary(**summary))


def evaluation(rate: float, failure: str | None = None) -> Evaluation:
    return Evaluation(
        at=0, step=1, suite="s", successes=1, episodes=10, success_rate=rate, low=0, high=100, failure=failure
    )


def text_of(cells: Iterable[Iterable[Span]]) -> str:
    return " ".join(span.text for cell in cells for span in cell)


@pytest.mark.parametrize("episodes", [0, 10], ids=["not told", "told"])
def test_episodes_are_told_where_they_are_known_and_only_there(episodes: int) -> None:
    one = msgspec.structs.replace(evaluation(84.0), episodes=episodes)
    run = view(step=5, last_evaluation=one)
    shown = (
        text_of(header_lines(run, NOW, 120)),
        text_of(run_row(run, NOW).cells.values()),
        text_of(evaluation_rows([one])[0].cells.values()),
    )
    for text in shown:
        assert "84%" in text
        assert (" of 10" in text) == bool(episodes), text
        assert episodes or " of " not in text, text


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_state_has_a_header_that_fits(state: State, width: int) -> None:
    run = view(state, step=5, max_steps=10, loss=0.5, typical_step_s=1.0, loss_history=(1.0, 0.5), patience=5)
    lines = header_lines(run, NOW, width)
    assert state.value.lower() in "".join(span.text for span in lines[0])
    assert all(width_of(line) <= width for line in lines[1:2])


def test_every_state_has_a_mark_of_its_own() -> None:
    assert set(STATES) == set(State)
    assert len({mark for mark, _ in STATES.values()}) == len(State)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True), ("demo", True), ("DEMO", True), ("other", False), ("7f3a", True), ("running", True),
        ("failed", False), ("live", True), ("ended", False), ("success>80", True), ("success>90", False),
        ("best>=84 demo", True), ("best>=84 other", False), ("step<100", False), ("loss<1", True),
        ("suite:spatial", True), ("suite:goal", False),
    ],
)  # fmt: skip
def test_a_filter_lets_through_what_every_word_fits(text: str, expected: bool) -> None:
    run = view(step=100, loss=0.5, best=84.0, last_evaluation=evaluation(84.0), suite="libero_spatial")
    assert RunFilter(text).matches(run) is expected


def test_a_number_that_is_not_known_fits_no_comparison() -> None:
    assert not RunFilter("success<100").matches(view())
    assert not RunFilter("success<100").matches(view(last_evaluation=evaluation(0, failure="crash")))


def test_the_next_evaluation_is_a_multiple_of_its_interval_and_not_after_the_end() -> None:
    assert outlook.to_next(Summary(step=315, max_steps=500, typical_step_s=2.0), 50) == outlook.Due(35, 70.0)
    assert outlook.to_next(Summary(step=300, max_steps=500), 50) == outlook.Due(50, None)
    assert outlook.to_next(Summary(step=480, max_steps=490), 50) is None
    assert outlook.to_next(Summary(step=3), None) is None


def test_steps_at_risk_count_from_the_last_checkpoint() -> None:
    saved = CheckpointSaved(at=0, step=300, path="x")
    assert outlook.steps_at_risk(Summary(step=315, last_checkpoint=saved)) == 15
    assert outlook.steps_at_risk(Summary(step=315, start_step=310)) == 5
    assert outlook.steps_at_risk(Summary()) == 0


EVENTS: list[tuple[AnyEvent, str]] = [
    (Created(seq=1, at=0, run_id="r", name="n", host="gpubox"), "asked for on gpubox, detached"),
    (Moved(seq=1, at=0, state=State.SUCCEEDED, reason=Reason.MAX_STEPS), "made all its steps"),
    (Supervised(seq=1, at=0, keeper=nobody(1), supervisor=nobody(2), why="died"), "keeper 1, supervisor 2: died"),
    (AttemptStarted(seq=1, at=0, number=2, argv=("x",), resumed_from="/a"), "2 starts, resumed from /a"),
    (AgentStarted(seq=1, at=0, number=2, agent=nobody(7)), "2 runs as process 7"),
    (AttemptEnded(seq=1, at=0, number=2, exit=Exit(at=0, code=3), end_step=1), "2 ended: exit code 3 at step 1"),
    (AttemptEnded(seq=1, at=0, number=2, exit=Exit(at=0)), "2 ended: exit status unknown"),
    (Requested(seq=1, at=0, request_id="x", action="stop", by="ada"), "stop by ada"),
    (RungReached(seq=1, at=0, rung=StopRung.TERM, grace_s=30), "SIGTERM to the program; the next step follows in 30 s"),
    (Waits(seq=1, at=0, place=QueuePlace(reason="2 GPUs", position=1, length=3)), "2 GPUs, 1 of 3 in the queue"),
    (Leased(seq=1, at=0, gpus=(LeasedGpu(uuid="a", index=0), LeasedGpu(uuid="b", index=3))), "holds GPU 0, 3"),
    (
        LeftBehind(seq=1, at=0, processes=(Leftover(process=nobody(9), name="sh"),)),
        "left behind: process 9 (sh) could not be ended",
    ),
    (Noted(seq=1, at=0, message="a leftover"), "a leftover"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "words"), EVENTS, ids=[type(event).__name__ for event, _ in EVENTS])
def test_journal_entries_are_told_in_plain_words(event: AnyEvent, words: str) -> None:
    assert event_words(event)[1] == words


def test_facts_flow_onto_as_many_lines_as_they_need() -> None:
    chunks = [[Span("one")], [Span("two")], [Span("three")]]
    texts = ["".join(span.text for span in line) for line in flowed(chunks, 10)]
    assert texts == ["one   two", "three"]


@pytest.mark.parametrize("width", range(12))
def test_fitted_spans_are_exactly_as_wide_as_asked_for(width: int) -> None:
    for align in ("left", "right"):
        assert width_of(fitted([Span("abc"), Span("好吃", Tone.GOOD), Span("x")], width, align)) in {
            width,
            max(width, 1),
        }


def test_what_does_not_fit_beside_the_left_part_is_dropped() -> None:
    text = "".join(span.text for span in justified([Span("left")], [Span("right")], 9))
    assert text.startswith("left")
    assert "right" not in text
    assert "".join(span.text for span in justified([Span("left")], [Span("right")], 12)) == "left   right"


def test_text_from_anywhere_is_made_safe() -> None:
    assert safe("plain 好") == "plain 好"
    assert "\x1b" not in safe("\x1b[31mred\x1b]0;x\x07")
    assert safe("a\nb").isprintable()


def test_paths_keep_their_ends() -> None:
    assert shortened_path("/work/vla/adapters/demo", 40) == "/work/vla/adapters/demo"
    assert shortened_path("/work/vla/adapters/demo--300_chkpt", 28) == "…/adapters/demo--300_chkpt"
    assert shortened("abcdef", 4) == "abc…"
    assert (pace(0.4), pace(2.0), pace(None)) == ("2.5 steps/s", "2.0 s/step", "-")


@pytest.mark.parametrize(("is_hung", "word"), [(False, "quiet"), (True, "hung")])
def test_a_run_that_tells_nothing_says_so_in_header_and_table(is_hung: bool, word: str) -> None:
    run = view(step=5, max_steps=10)
    quiet = Quiet(since=NOW - 360, missing="no step", usual="a step takes 3 s", hung_at=NOW + 360, is_hung=is_hung)
    record = msgspec.structs.replace(run.record, quiet=quiet)
    silent = replace(run, record=record)
    header = header_lines(silent, NOW, 80)
    assert word in text_of(header[:1])
    assert "no step for 6m 00s; a step takes 3 s" in text_of(header)
    assert word in text_of([run_row(silent, NOW).cells["state"]])
    ended = replace(run, record=msgspec.structs.replace(record, state=State.FAILED))
    assert word not in text_of([run_row(ended, NOW).cells["state"]])


@pytest.mark.parametrize(("end", "is_shown"), [([], True), ([WarningOver(at=2, about="x")], False)], ids=["is", "was"])
def test_a_warning_stands_in_the_header_as_long_as_it_is_so(end: list[ProgressLine], is_shown: bool) -> None:
    run = view()
    for line in [Warned(at=1, message="evaluations are behind", about="x"), *end]:
        run = replace(run, summary=fold_progress(run.summary, line))
    assert ("evaluations are behind" in text_of(header_lines(run, NOW, 80))) == is_shown


@pytest.mark.parametrize(
    ("signals", "budget", "words"),
    [((9,), 5, "restarts ■□□□□ 1/5"), ((9, 9, 9), 3, "restarts ■■■ 3/3"), ((), 5, ""), ((9,), None, ""), ((9,), 0, "")],
)
def test_the_budget_of_restarts_is_told_while_some_is_spent(
    signals: tuple[int, ...], budget: int | None, words: str
) -> None:
    attempts = tuple(
        Attempt(number=number, started_at=NOW, exit=Exit(at=NOW, signal=signal))
        for number, signal in enumerate(signals, 1)
    )
    run = view(State.RUNNING, step=5, loss=0.5)
    run = replace(run, record=msgspec.structs.replace(run.record, attempts=attempts))
    told = "\n".join("".join(span.text for span in line) for line in header_lines(run, NOW, 120, 3, budget))
    assert words in told
    assert ("restarts" in told) == bool(words)


def test_a_resume_pays_back_what_was_spent_of_the_budget() -> None:
    killed, running = Attempt(number=1, started_at=NOW, exit=Exit(at=NOW, signal=9)), Attempt(number=2, started_at=NOW)
    run = view(State.RUNNING, step=5, loss=0.5)
    record = msgspec.structs.replace(run.record, attempts=(killed, running))
    resumed = msgspec.structs.replace(record, first_attempt=2)
    told = [text_of(header_lines(replace(run, record=one), NOW, 120, 3, 5)) for one in (record, resumed)]
    assert ["restarts" in words for words in told] == [True, False]


def test_an_evaluation_on_its_own_shows_its_episodes_where_a_training_shows_its_steps() -> None:
    run = view(step=20, phase=Phase.EVALUATING, phase_since=NOW - 10, phase_done=50, phase_total=200)
    told = " ".join(text_of(header_lines(run, NOW, 80)[1:2]).split())
    assert told.startswith("step 20 ━")
    assert told.endswith("25% ETA 30s")
