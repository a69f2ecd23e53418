"""From facts of a log to records."""

from vlad.parsers.lines import facts_of
from vlad.parsers.reading import Circumstances, Reading, Record, ended, read
from vlad.policy.early_stop import EarlyStopPolicy
from vlad.records.progress import Evaluation, PhaseChange, Plan, Step

NOW = Circumstances(at=5.0, attempt=2, ranks=8, early_stop=EarlyStopPolicy(patience=3, min_delta=0.1), log="x.log")


def told(*lines: str) -> list[Record]:
    return told_and_reading(*lines)[0]


def told_and_reading(*lines: str) -> tuple[list[Record], Reading]:
    reading, records = Reading(), list[Record]()
    for fact in facts_of("".join(f"{line}\n" for line in lines).encode()):
        reading, made = read(reading, fact, NOW)
        records += made
    return records, reading


def steps(records: list[Record]) -> list[int]:
    return [record.step for record in records if isinstance(record, Step)]


def evaluations(records: list[Record]) -> list[Evaluation]:
    return [record for record in records if isinstance(record, Evaluation)]


def test_the_plan_comes_with_the_first_update_and_patience_with_the_plan() -> None:
    plan, step = told("[train] step 41 loss 1.5")
    assert isinstance(plan, Plan)
    assert (plan.start_step, plan.ranks, plan.patience, plan.attempt, plan.at) == (40, 8, 3, 2, 5.0)
    assert isinstance(step, Step)
    assert (step.step, step.loss, step.attempt) == (41, 1.5, 2)


def test_ranks_that_print_the_same_step_make_one() -> None:
    assert steps(told("[rank0]: [train] step 1 loss 1", "[rank1]: [train] step 1 loss 2", "[train] step 2 loss 1")) == [
        1,
        2,
    ]


def test_bars_count_until_lines_tell_the_steps_and_then_tell_only_how_many() -> None:
    bar = " 1%|  | {}/100 [00:01<01:39, 1.0it/s]"
    records = told(bar.format(0), bar.format(1), "[train] step 2 loss 1", bar.format(3), "[train] step 4 loss 1")
    assert steps(records) == [1, 2, 4]
    assert [record.max_steps for record in records if isinstance(record, Plan)] == [100]


def test_a_dictionary_belongs_to_the_step_of_the_bar() -> None:
    records = told(" 5%|  | 50/1000 [00:01<01:39, 1.0it/s]", "{'loss': 0.5, 'learning_rate': 5e-05, 'epoch': 0.1}")
    assert [(record.step, record.loss) for record in records if isinstance(record, Step)] == [(50, None), (50, 0.5)]


def test_the_bar_of_an_evaluation_within_training_is_no_training() -> None:
    bar = " 1%|  | {}/{} [00:01<01:39, 1.0it/s]"
    records = told(bar.format(50, 100), bar.format(1, 10), bar.format(10, 10), bar.format(51, 100))
    assert steps(records) == [50, 51]


def test_epochs_are_counted_through_whether_they_begin_with_0_or_with_1() -> None:
    bar = "Epoch {}: 50%|  | {}/10 [00:01<01:39, 1.0it/s]"
    assert steps(told(bar.format(0, 9), bar.format(0, 10), bar.format(1, 1))) == [9, 10, 11]
    assert steps(told(bar.format("1/3", 9), bar.format("2/3", 1))) == [9, 11]


def test_an_evaluation_takes_its_counts_from_the_lines_before_it() -> None:
    lines = ["Task suite: libero_goal", "# episodes completed so far: 50", "# successes: 45 (90.0%)"]
    records = told("[train] step 7 loss 1", *lines, "[eval] step 7 success_rate=90.0%")
    phases = [(record.detail, record.done) for record in records if isinstance(record, PhaseChange)]
    assert phases == [("libero_goal", None), ("libero_goal", 50)]
    (evaluation,) = evaluations(records)
    assert (evaluation.step, evaluation.suite, evaluation.successes, evaluation.episodes) == (7, "libero_goal", 45, 50)
    assert evaluation.low < 90 < evaluation.high < 100
    assert (evaluation.best, evaluation.improved, evaluation.patience, evaluation.log) == (90, True, 3, "x.log")


def test_a_rate_without_counts_promises_no_interval() -> None:
    (evaluation,) = evaluations(told("[eval] step 7 success_rate=90.0%"))
    assert (evaluation.episodes, evaluation.low, evaluation.high) == (0, 0, 100)


def test_an_evaluation_without_closing_line_counts_when_its_program_has_succeeded() -> None:
    lines = ["Task suite: libero_goal", "# episodes completed so far: 10", "# successes: 9 (90.0%)"]
    records, reading = told_and_reading(*lines)
    assert not evaluations(records)
    (evaluation,) = evaluations(list(ended(reading, NOW)[1]))
    assert (evaluation.success_rate, evaluation.episodes, evaluation.suite) == (90, 10, "libero_goal")


def test_evaluations_without_improvement_are_counted_by_the_function_of_the_trainer() -> None:
    rates = [50, 60, 60.05, 60, 59]
    records = told(*(f"[eval] step {step} success_rate={rate}%" for step, rate in enumerate(rates, 1)))
    assert [one.bad_evaluations for one in evaluations(records)] == [0, 0, 1, 2, 3]
    assert [(one.best, one.best_step) for one in evaluations(records)][-1] == (60, 2)
