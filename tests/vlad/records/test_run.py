"""The journal and what it tells: legal moves only, the same state from every prefix, and nothing lost to a crash."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlad.records.outcome import Cause, Diagnosis, Exit, ProcessIdentity
from vlad.records.progress import Reason
from vlad.records.run import (
    FINAL,
    MOVES,
    AgentStarted,
    AnyEvent,
    Attempt,
    AttemptEnded,
    AttemptStarted,
    Created,
    IllegalMove,
    Moved,
    Noted,
    Requested,
    RungReached,
    RunRecord,
    State,
    StopRung,
    Supervised,
    fold,
    fold_all,
)

RUN_ID = "20261122-0931-demo-7f3a"
CREATED = Created(seq=1, at=100.0, run_id=RUN_ID, name="demo", host="here", cwd="/work", nproc=2, tty="pts/3")
SOMEBODY = ProcessIdentity(pid=7, start_ticks=70, boot_id="boot")
EVENTS_OF_A_LIFE: tuple[AnyEvent, ...] = (
    CREATED,
    Supervised(seq=2, at=101.0, keeper=SOMEBODY, supervisor=SOMEBODY, why="first"),
    Moved(seq=3, at=102.0, state=State.STARTING, why="first attempt"),
    AttemptStarted(seq=4, at=103.0, number=1, argv=("torchrun",)),
    AgentStarted(seq=5, at=104.0, number=1, agent=SOMEBODY),
    Moved(seq=6, at=105.0, state=State.RUNNING),
    Noted(seq=7, at=106.0, message="something"),
    AttemptEnded(
        seq=8, at=107.0, number=1, exit=Exit(at=107.0, signal=9), end_step=17, checkpoint_step=15,
        diagnosis=Diagnosis(cause=Cause.KILLED, summary="killed by signal 9"),
    ),
    Moved(seq=9, at=108.0, state=State.BACKOFF, why="restart", restart_at=113.0),
    Moved(seq=10, at=113.0, state=State.STARTING, why="restart"),
    AttemptStarted(seq=11, at=114.0, number=2, argv=("torchrun",), resumed_from="/c/15", start_step=15),
    AgentStarted(seq=12, at=115.0, number=2, agent=SOMEBODY),
    Moved(seq=13, at=116.0, state=State.RUNNING),
    Requested(seq=14, at=117.0, request_id="r1", action="stop", by="me"),
    Moved(seq=15, at=118.0, state=State.STOPPING),
    RungReached(seq=16, at=119.0, rung=StopRung.REQUEST, grace_s=120),
    AttemptEnded(seq=17, at=120.0, number=2, exit=Exit(at=120.0, code=0), end_step=20, checkpoint_step=20),
    Moved(seq=18, at=121.0, state=State.STOPPED),
    Moved(seq=19, at=200.0, state=State.STARTING, why="resumed by me"),
)  # fmt: skip


def lines(events: tuple[AnyEvent, ...]) -> list[bytes]:
    return [msgspec.json.encode(event) for event in events]


def test_a_whole_life_is_told_by_its_journal() -> None:
    record = fold_all(lines(EVENTS_OF_A_LIFE[:-1]))
    assert record is not None
    assert (record.state, record.ended_at, record.stop_requested, record.rung) == (
        State.STOPPED,
        121.0,
        True,
        StopRung.REQUEST,
    )
    assert [attempt.start_step for attempt in record.attempts] == [None, 15]
    assert [attempt.end_step for attempt in record.attempts] == [17, 20]
    assert [attempt.exit and attempt.exit.signal for attempt in record.attempts] == [9, None]
    assert record.attempts[0].diagnosis is not None
    assert (record.tty, record.nproc, record.cwd, record.created_at) == ("pts/3", 2, "/work", 100.0)


def test_a_resume_forgets_the_stop_and_counts_attempts_anew() -> None:
    record = fold_all(lines(EVENTS_OF_A_LIFE))
    assert record is not None
    assert (record.state, record.stop_requested, record.rung, record.first_attempt) == (State.STARTING, False, None, 3)
    assert record.ended_at is None


@pytest.mark.parametrize("old", list(State))
@pytest.mark.parametrize("new", list(State))
def test_only_moves_of_the_table_are_made(old: State, new: State) -> None:
    record = msgspec.structs.replace(fold(None, CREATED), state=old)
    move = Moved(seq=2, at=1.0, state=new)
    if new in MOVES[old]:
        assert fold(record, move).state is new
    else:
        with pytest.raises(IllegalMove, match=f"{old} -> {new}"):
            fold(record, move)


def test_every_state_has_its_moves_and_an_end_is_left_only_by_a_new_start() -> None:
    assert set(MOVES) == set(State)
    assert all(MOVES[state] == {State.QUEUED, State.STARTING} for state in FINAL)


def test_a_stop_beats_every_state_before_the_end() -> None:
    assert all(MOVES[state] & {State.STOPPING, State.STOPPED} for state in State if state not in FINAL)


def test_a_stop_asked_of_an_ended_run_does_not_stop_the_next_start() -> None:
    record = msgspec.structs.replace(fold(None, CREATED), state=State.FAILED)
    record = fold(record, Requested(seq=2, at=1.0, request_id="late", action="stop"))
    assert not record.stop_requested


def test_the_first_event_creates_and_no_other_does() -> None:
    with pytest.raises(IllegalMove, match="begins with Moved"):
        fold(None, Moved(seq=1, at=1.0, state=State.STARTING))
    with pytest.raises(IllegalMove, match="created twice"):
        fold(fold(None, CREATED), CREATED)


@given(st.integers(0, len(EVENTS_OF_A_LIFE)))
def test_folding_a_prefix_and_then_the_rest_is_folding_all(split: int) -> None:
    record = fold_all(lines(EVENTS_OF_A_LIFE[:split]))
    for event in EVENTS_OF_A_LIFE[split:]:
        record = fold(record, event)
    assert record == fold_all(lines(EVENTS_OF_A_LIFE))


@given(st.integers(0, sum(len(line) + 1 for line in lines(EVENTS_OF_A_LIFE))))
def test_a_journal_cut_anywhere_tells_what_its_whole_lines_tell(cut: int) -> None:
    content = b"".join(line + b"\n" for line in lines(EVENTS_OF_A_LIFE))[:cut]
    whole = content.count(b"\n")
    torn = content.rpartition(b"\n")[2]
    has_all_but_the_newline = torn == lines(EVENTS_OF_A_LIFE)[whole] if whole < len(EVENTS_OF_A_LIFE) else False
    expected = fold_all(lines(EVENTS_OF_A_LIFE[: whole + has_all_but_the_newline]))
    assert fold_all(content.split(b"\n")) == expected


@given(st.lists(st.sampled_from(range(len(EVENTS_OF_A_LIFE))), max_size=5))
def test_events_written_twice_count_once(repeated: list[int]) -> None:
    written = []
    for index, line in enumerate(lines(EVENTS_OF_A_LIFE)):
        written += [line] * (1 + repeated.count(index))
    assert fold_all(written) == fold_all(lines(EVENTS_OF_A_LIFE))


@given(st.sets(st.integers(1, len(EVENTS_OF_A_LIFE) - 2)))
def test_lines_lost_with_a_disk_leave_a_journal_that_can_be_read(lost: set[int]) -> None:
    kept = tuple(event for index, event in enumerate(EVENTS_OF_A_LIFE) if index not in lost)
    record = fold_all(lines(kept))
    assert record is not None
    assert (record.seq, record.state) == (19, State.STARTING)


def test_lines_that_are_none_are_left_out() -> None:
    garbage = [b"", b"\0" * 80, b"null", b'{"kind":"moved"}', b'{"kind":"unheard_of","seq":3,"at":1}', b"\xff\xfe"]
    assert fold_all([*garbage, *lines(EVENTS_OF_A_LIFE), *garbage]) == fold_all(lines(EVENTS_OF_A_LIFE))
    assert fold_all(garbage) is None


@pytest.mark.parametrize("event", EVENTS_OF_A_LIFE, ids=lambda event: f"{event.seq} {type(event).__name__}")
def test_every_event_survives_its_file(event: AnyEvent) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event


def test_a_record_survives_its_file() -> None:
    record = fold_all(lines(EVENTS_OF_A_LIFE))
    assert msgspec.json.decode(msgspec.json.encode(record), type=RunRecord) == record


def test_the_reason_of_a_success_is_on_record() -> None:
    record = msgspec.structs.replace(fold(None, CREATED), state=State.RUNNING)
    record = fold(record, Moved(seq=2, at=5.0, state=State.SUCCEEDED, reason=Reason.EARLY_STOP))
    assert (record.reason, record.ended_at) == (Reason.EARLY_STOP, 5.0)


@pytest.mark.parametrize(("ended_at", "at", "ran_s"), [(None, 100.0, 10 + 40), (80.0, 100.0, 10 + 20)])
def test_a_run_ran_as_long_as_its_attempts_did(ended_at: float | None, at: float, ran_s: float) -> None:
    attempts = (Attempt(number=1, started_at=20.0, exit=Exit(at=30.0, code=1)), Attempt(number=2, started_at=60.0))
    record = RunRecord(
        run_id="r", name="n", state=State.RUNNING, seq=1, created_at=0.0, updated_at=0.0, host="h", attempts=attempts,
        ended_at=ended_at,
    )  # fmt: skip
    assert record.ran_s(at) == ran_s
