"""How long a run may tell nothing, and in which words it is said."""

import pytest
from vlad.policy.hang import Silence, least_bound_s, silence, usual_of
from vlad.records.progress import Phase, PhaseChange, Plan, ProgressLine, Step
from vlad.records.quiet import Quiet
from vlad.records.spec import HangPolicy, Kind
from vlad.records.summary import EMPTY, Summary, fold_progress

LEARNED = HangPolicy()


def training(step_s: float) -> Summary:
    lines: tuple[ProgressLine, ...] = (
        Plan(at=0, max_steps=100),
        *(Step(at=10 + step_s * n, step=n, step_s=step_s, loss=1.0) for n in range(1, 4)),
    )
    summary = EMPTY
    for line in lines:
        summary = fold_progress(summary, line)
    return summary


def in_phase(summary: Summary, phase: Phase, at: float = 100) -> Summary:
    return fold_progress(summary, PhaseChange(at=at, phase=phase))


@pytest.mark.parametrize(
    ("policy", "kind", "summary", "words", "bound_s"),
    [
        pytest.param(LEARNED, Kind.TRAIN, training(3), "no step; a step takes 3 s", 720, id="quick steps"),
        pytest.param(LEARNED, Kind.TRAIN, training(125), "no step; a step takes 2m 05s", 3750, id="slow steps"),
        pytest.param(HangPolicy(after_s=60), Kind.TRAIN, training(3), "no step; a step takes 3 s", 60, id="as told"),
        pytest.param(LEARNED, Kind.TRAIN, EMPTY, "no sign of life while loading; ", 3600, id="nothing yet"),
        pytest.param(
            LEARNED, Kind.TRAIN, in_phase(training(3), Phase.EVALUATING), "no sign of life while evaluating; ", 3600,
            id="first evaluation",
        ),
        pytest.param(
            LEARNED, Kind.TRAIN,
            in_phase(in_phase(in_phase(training(3), Phase.EVALUATING), Phase.TRAINING, 4100), Phase.EVALUATING, 4200),
            "no sign of life while evaluating; evaluating takes 1h 06m in all", 12_000, id="long evaluations",
        ),
        pytest.param(
            LEARNED, Kind.TRAIN, in_phase(training(3), Phase.TRAINING), "no step; a step takes 3 s", 720, id="training"
        ),
        pytest.param(
            LEARNED, Kind.TRAIN, in_phase(EMPTY, Phase.TRAINING), "no sign of life while training; ", 3600,
            id="before the first step, which may compile",
        ),
        pytest.param(LEARNED, Kind.COMMAND, EMPTY, "nothing in its log; ", 3600, id="command"),
        pytest.param(
            LEARNED, Kind.COMMAND, training(300), "nothing in its log; a step takes 5m 00s", 9000, id="slow command"
        ),
        pytest.param(HangPolicy(after_s=60), Kind.COMMAND, EMPTY, "nothing in its log; ", 60, id="command as told"),
    ],
)  # fmt: skip
def test_what_is_usual_is_learned_from_the_run_unless_it_is_told(
    policy: HangPolicy, kind: Kind, summary: Summary, words: str, bound_s: float
) -> None:
    usual = usual_of(policy, kind, summary)
    assert f"{usual.missing}; {usual.usual}" == words
    assert usual.bound_s == pytest.approx(bound_s)
    assert least_bound_s(policy, kind) <= usual.bound_s


@pytest.mark.parametrize(
    ("quiet_s", "expected"),
    [(0, Silence.USUAL), (49, Silence.USUAL), (50, Silence.LONG), (99, Silence.LONG), (100, Silence.HUNG)],
)
def test_half_the_bound_is_worth_telling_and_all_of_it_is_a_hang(quiet_s: float, expected: Silence) -> None:
    assert silence(quiet_s, 100) is expected


@pytest.mark.parametrize(
    ("quiet", "told"),
    [
        pytest.param(
            Quiet(since=0, missing="no step", usual="a step takes 3 s", hung_at=720, restarts=True),
            "no step for 6m 00s; a step takes 3 s; is restarted in 6m 00s", id="long",
        ),
        pytest.param(
            Quiet(since=0, missing="nothing in its log", hung_at=720),
            "nothing in its log for 6m 00s; counts as hung in 6m 00s", id="long command",
        ),
        pytest.param(
            Quiet(since=0, missing="no step", hung_at=300, is_hung=True, restarts=True),
            "no step for 6m 00s; it is ended and restarted", id="hung",
        ),
        pytest.param(
            Quiet(since=0, missing="no step", hung_at=300, is_hung=True), "no step for 6m 00s", id="hung and left alone"
        ),
    ],
)  # fmt: skip
def test_a_silence_is_told_in_words_with_what_comes_next(quiet: Quiet, told: str) -> None:
    assert quiet.told(360) == told
