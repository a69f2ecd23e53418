"""The evaluations of a run: when one is owed, on the live model, with its log, record and early-stop counter."""

import logging
import time
from functools import partial
from pathlib import Path

import msgspec
from vlad.policy.early_stop import is_below_resolution
from vlad.records.progress import Evaluation, Phase
from vlad.records.requests import Action

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import eval_log_folder
from vlatrain.distributed import Board
from vlatrain.evaluate.evaluation import evaluate
from vlatrain.evaluate.records import as_record, video_folder, write_log
from vlatrain.evaluate.results import EvaluationResult
from vlatrain.evaluate.venue import Suite
from vlatrain.sim.libero_versions import doubt
from vlatrain.train.rng import preserved
from vlatrain.train.session import Session
from vlatrain.train.state import TrainState, is_due

log = logging.getLogger(__name__)


def owes_evaluation(config: FinetuneConfig, state: TrainState) -> bool:
    """Whether this step's scheduled evaluation is still to be done; also right after a resume."""
    if not config.enable_periodic_eval or state.evaluated_step >= state.step:
        return False
    if state.step == 0:
        return config.eval_at_start
    return is_due(state.step, config.eval_every_steps, config.max_steps)


def evaluated(session: Session, state: TrainState) -> TrainState:
    """The state after an evaluation, unchanged where it was given up for a stop.

    An evaluation that was only asked for, outside the schedule, is reported and moves no counter.
    """
    started = time.monotonic()
    result = _result(session, state)
    if result is None:
        return state
    is_scheduled = owes_evaluation(session.config, state)
    after = counted(session, state, result) if is_scheduled else state
    for remark in (*result.remarks, result.lost, result.unplayed):
        if remark:
            session.reports.warn(f"evaluation at step {state.step}: {remark}")
    log_file = _write_log(session, state.step, result)
    evaluation = record(session, after, result, log_file, time.monotonic() - started)
    session.reports.evaluation(evaluation, session.early_stop, is_scheduled=is_scheduled)
    told = result.failure or f"success rate {result.success_rate:.2f}%"
    session.inbox.answer({Action.EVALUATE}, f"{told} at step {state.step}")
    return after


def _tell_task(session: Session, suite: Suite, step: int, task: int, successes: int) -> None:
    """One task of the evaluation is through."""
    trials = session.config.eval_num_trials_per_task
    session.reports.task(step, suite.name, suite.instructions[task], successes, trials)


def counted(session: Session, state: TrainState, result: EvaluationResult) -> TrainState:
    """What a scheduled evaluation does to the counters; one that failed does nothing."""
    if result.failure is not None:
        return state.without_evaluation()
    return state.evaluated(result.success_rate, session.early_stop, result.interval[1])


def _result(session: Session, state: TrainState) -> EvaluationResult | None:
    """Rolls the live model out; leaves its mode and the random generators as they were."""
    suite = session.suite
    if suite is None:
        session.inbox.answer({Action.EVALUATE}, "not done: this run has enable_periodic_eval false, so no suite")
        return None
    session.learner.vla.eval()
    try:
        with preserved(session.learner.device), session.learner.answering(), session.answers.opened():
            return evaluate(
                session.policy,
                suite,
                trials=session.config.eval_num_trials_per_task,
                batch_size=session.config.eval_batch_size,
                ranks=session.ranks,
                board=Board(session.ranks, f"evaluation-{next(session.evaluation_numbers)}"),
                wants_stop=session.inbox.wants_stop,
                progress=lambda done, total: session.reports.phase(Phase.EVALUATING, state.step, done, total),
                on_task=partial(_tell_task, session, suite, state.step),
                videos=session.config.eval_videos,
                video_folder=video_folder(eval_log_folder(session.config)),
                in_step=session.config.deterministic,
                ensembling=session.config.chunk_ensembling,
            )
    finally:
        session.learner.vla.train()


def record(
    session: Session, after: TrainState, result: EvaluationResult, log_file: Path | None, duration_s: float
) -> Evaluation:
    """The line of evaluations.jsonl; early-stop values are those after it."""
    path = session.checkpoints.path_of(after.step)
    measured = as_record(result, step=after.step, checkpoint=path, log=log_file, duration_s=duration_s)
    return msgspec.structs.replace(
        measured,
        improved=after.is_best and result.failure is None,
        best=after.early_stop.best if after.best_step is not None else None,
        best_step=after.best_step,
        bad_evaluations=after.early_stop.bad_evaluations,
        patience=session.early_stop.patience if session.early_stop.enabled else None,
    )


def _write_log(session: Session, step: int, result: EvaluationResult) -> Path | None:
    """The original script's log, on the first rank. A full disk is a warning."""
    if not session.ranks.is_first:
        return None
    folder = eval_log_folder(session.config)
    try:
        return write_log(folder, session.config.eval_run_id_note, step, result)
    except OSError as error:
        session.reports.warn(f"evaluation log not written in {folder}: {error}")
        return None


def warn_of_simulator(session: Session) -> None:
    """A version of MuJoCo that nobody has compared may measure something else."""
    versions = session.suite.versions if session.suite else {}
    told = doubt(versions["mujoco"]) if "mujoco" in versions else None
    if told:
        session.reports.warn(told)


def warn_of_resolution(session: Session) -> None:
    """One episode must not look like an improvement."""
    config, suite = session.config, session.suite
    if suite is None or not config.early_stopping_enabled:
        return
    episodes = len(suite.instructions) * config.eval_num_trials_per_task
    if is_below_resolution(config.early_stopping_min_delta, episodes):
        session.reports.warn(
            f"early_stopping_min_delta {config.early_stopping_min_delta} cannot be told by {episodes} episodes: "
            f"one of them is {100 / episodes:.2g} percentage points; raise eval_num_trials_per_task or min_delta"
        )
