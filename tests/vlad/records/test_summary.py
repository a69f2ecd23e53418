"""The live numbers of a run, folded from what its trainer reports."""

import msgspec
import pytest
from vlad.records import summary as summary_module
from vlad.records.progress import (
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Reason,
    Step,
    Warned,
    WarningOver,
)
from vlad.records.summary import EMPTY, Summary, fold_evaluation, fold_progress, of_attempt


def folded(*lines: ProgressLine) -> Summary:
    summary = EMPTY
    for line in lines:
        summary = fold_progress(summary, line)
    return summary


def evaluation(step: int, rate: float, **more: object) -> Evaluation:
    successes = round(rate / 10)
    fixed = {"at": 1.0, "suite": "s", "successes": successes, "episodes": 10, "low": 0.0, "high": 100.0}
    return msgspec.convert({**fixed, "step": step, "success_rate": rate, **more}, Evaluation)


def test_a_step_is_training_and_brings_its_numbers() -> None:
    summary = folded(
        Plan(at=1, max_steps=100, ranks=2), Step(at=2, step=1, loss=3.0), Step(at=4, step=2, loss=2.0, step_s=2.0)
    )
    assert (summary.phase, summary.step, summary.max_steps, summary.loss) == (Phase.TRAINING, 2, 100, 2.0)
    assert summary.loss_history == (3.0, 2.0)


def test_steps_without_a_time_are_timed_by_their_distance_unless_something_lay_between() -> None:
    near = folded(Step(at=10, step=1), Step(at=14, step=3))
    assert near.step_s == 2.0
    between = folded(Step(at=10, step=1), PhaseChange(at=11, phase=Phase.SAVING), Step(at=60, step=2))
    assert between.step_s is None
    assert between.saving_s == 49.0


def test_steps_whose_lines_are_read_at_once_share_the_time_since_those_before() -> None:
    old = [Step(at=10, step=step) for step in range(1, 501)]  # a log that was long already
    told = folded(*old, *(Step(at=at, step=495 + 5 * (at - 10) + n) for at in range(11, 41) for n in range(1, 6)))
    assert told.step == 650
    assert told.step_s == told.typical_step_s == pytest.approx(0.2)


def test_progress_within_a_phase_does_not_restart_its_clock() -> None:
    summary = folded(
        PhaseChange(at=5, phase=Phase.EVALUATING, total=10),
        PhaseChange(at=9, phase=Phase.EVALUATING, done=4, total=10),
    )
    assert (summary.phase_since, summary.phase_done, summary.phase_total) == (5, 4, 10)
    assert folded(PhaseChange(at=5, phase=Phase.EVALUATING), Step(at=25, step=1)).evaluating_s == 20


def test_an_evaluation_of_an_earlier_step_leaves_the_step_where_it_is_and_each_has_its_own_clock() -> None:
    lines = [
        PhaseChange(at=at, phase=Phase.EVALUATING, step=60, of_step=of_step, done=done, total=50)
        for at, of_step, done in ((5, 20, 1), (9, 20, 49), (10, 40, None), (12, 40, 2))
    ]
    first, second = folded(*lines[:2]), folded(*lines)
    assert (first.step, first.phase_since, first.phase_done) == (60, 5, 49)
    assert (second.step, second.phase_since, second.phase_done) == (60, 10, 2)
    assert (first.phase_first_done, second.phase_first_done) == (1, 0)


def test_a_new_attempt_loads_again_and_keeps_what_was_saved() -> None:
    saved = CheckpointSaved(at=3, step=2, path="c", is_best=True)
    summary = folded(Step(at=2, step=2), saved, Finished(at=4, step=2, stopped=True))
    assert summary.stopped
    again = fold_progress(summary, PhaseChange(at=9, attempt=2, phase=Phase.LOADING))
    assert (again.phase, again.phase_since, again.finished, again.stopped) == (Phase.LOADING, 9, False, False)
    assert again.last_checkpoint == again.best_checkpoint == saved
    assert fold_progress(again, Plan(at=10, attempt=2, start_step=2, max_steps=9)).step == 2


def test_finishing_tells_the_reason() -> None:
    summary = folded(Finished(at=1, step=7, reason=Reason.EARLY_STOP))
    assert (summary.finished, summary.finished_reason, summary.step) == (True, Reason.EARLY_STOP, 7)


def test_repeated_warnings_are_kept_once_and_bounded() -> None:
    lines = [Warned(at=1, message=f"w{number % 30}") for number in range(90)]
    warnings = folded(*lines).warnings
    assert len(warnings) == summary_module.KEPT_WARNINGS
    assert warnings[-1] == "w29"


def behind(step: int) -> Warned:
    return Warned(at=step, message=f"step {step} is behind", about="evaluations")


def test_a_warning_about_what_may_pass_replaces_the_one_before_it() -> None:
    summary = folded(behind(1), Warned(at=2, message="no room"), behind(3))
    assert summary.warnings == ("no room", "step 3 is behind")


@pytest.mark.parametrize(
    "end",
    [
        WarningOver(at=9, about="evaluations"),
        Finished(at=9, step=4, stopped=True),
        PhaseChange(at=9, attempt=2, phase=Phase.LOADING),
    ],
    ids=["it is over", "the program ended", "another attempt tells anew"],
)
def test_a_warning_about_what_has_passed_is_gone_and_the_others_stay(end: ProgressLine) -> None:
    summary = folded(Warned(at=1, message="no room"), behind(2), end)
    assert (summary.warnings, summary.passing) == (("no room",), {})


def test_another_thing_that_is_over_takes_no_warning_back() -> None:
    assert folded(behind(2), WarningOver(at=3, about="disk")).warnings == ("step 2 is behind",)


def test_a_failed_evaluation_changes_neither_best_nor_counter() -> None:
    good = fold_evaluation(EMPTY, evaluation(10, 50.0, bad_evaluations=1, patience=5))
    failed = fold_evaluation(good, evaluation(20, 0.0, failure="simulator died"))
    assert (failed.best, failed.best_step, failed.bad_evaluations, failed.patience) == (50.0, 10, 1, 5)
    assert failed.last_evaluation is not None
    assert failed.last_evaluation.step == 20


def test_best_is_found_where_the_trainer_does_not_tell_it() -> None:
    summary = fold_evaluation(fold_evaluation(EMPTY, evaluation(10, 50.0)), evaluation(20, 40.0))
    assert (summary.best, summary.best_step) == (50.0, 10)


def test_a_checkpoint_that_turns_out_best_later_is_not_the_last_one() -> None:
    first, second = (CheckpointSaved(at=step, step=step, path=f"c-{step}") for step in (1, 2))
    best = msgspec.structs.replace(first, is_best=True, is_new=False)
    summary = folded(first, second, best)
    assert (summary.last_checkpoint, summary.best_checkpoint) == (second, best)


def test_an_attempt_that_has_told_nothing_does_not_do_what_the_one_before_did() -> None:
    told = folded(
        Plan(at=1, max_steps=100),
        Step(at=2, step=4, loss=2.0),
        PhaseChange(at=3, phase=Phase.EVALUATING, step=4, done=2, total=4),
    )
    assert of_attempt(told, 1) == told
    fresh = of_attempt(told, 2)
    assert (fresh.phase, fresh.phase_since, fresh.phase_done, fresh.phase_total, fresh.step_at) == (None,) * 5
    assert (fresh.step, fresh.loss, fresh.max_steps) == (4, 2.0, 100)
