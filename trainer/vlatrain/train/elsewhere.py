"""Evaluations beside training: a supervised run for each checkpoint, whose result counts when it arrives.

Results are joined in the order of their steps, so that an early stop decides as if each had been waited for. What is
pending is part of the state of training: a resumed run waits for it, or starts it again.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec
import torch
from vlad.records.files import replace_file
from vlad.records.interval import wilson_interval
from vlad.records.progress import Evaluation, Phase
from vlad.records.requests import Action
from vlad.records.rundir import Home, default_home
from vlad.report import RUN_ID_VARIABLE

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import eval_log_folder
from vlatrain.train.evaluation_job import Job
from vlatrain.train.session import Session
from vlatrain.train.state import TrainState, is_due

POLL_S = 1.0
LOOK_AT_RUN_S = 5.0
RESTARTS = "2"
MOST_NAMED = 3
BEHIND = "evaluations beside training"
TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
OURS = ("VLAD_RUN_ID", "VLAD_RUN_DIR", "VLAD_ATTEMPT")
VLAD = (sys.executable, "-P", "-c", "from vlad.cli import main; main()")
GPUS = {"cpu": "none", "queue": "1"}


def job_of(session: Session, step: int) -> Job:
    """Files of an evaluation, apart from those of other histories."""
    return Job(eval_log_folder(session.config) / "elsewhere" / session.checkpoints.lineage, step)


def submitted(session: Session, state: TrainState) -> TrainState:
    """The state with the evaluation of this step's checkpoint begun beside training."""
    session.inbox.answer({Action.EVALUATE}, f"begun beside training, at step {state.step}")
    if state.step in state.pending:
        return state
    after = state.with_pending()
    if session.ranks.is_first:
        _begin_due(session, after)
    _tell_behind(session, after)
    return after


def _tell_behind(session: Session, state: TrainState) -> None:
    """Keeps the warning true: all that is waited for but the newest should have ended."""
    if len(state.pending) > 1 and is_awaited(session, state):
        session.reports.warn(behind(state.pending[:-1]), BEHIND)
    else:
        session.reports.is_over(BEHIND)


def behind(steps: Sequence[int]) -> str:
    """Which evaluations have not ended although another one is due."""
    named = ", ".join(map(str, steps[:MOST_NAMED]))
    more = f" and {len(steps) - MOST_NAMED} more" if len(steps) > MOST_NAMED else ""
    return f"evaluations are behind training: those of step {named}{more} have not ended yet"


def _in_turn(session: Session, state: TrainState) -> tuple[int, ...]:
    """Steps that may be evaluated now. Free GPUs are waited for by the runs themselves; the CPU does one at a time."""
    return state.pending[:1] if session.config.eval_on == "cpu" else state.pending


def _begin_due(session: Session, state: TrainState) -> None:
    for step in _in_turn(session, state):
        if not job_of(session, step).is_begun:
            _begin(session, step)


def _begin(session: Session, step: int) -> None:
    """Starts the run; where it cannot be started, the result says so."""
    job, checkpoint = job_of(session, step), session.checkpoints.folder_of(step)
    config, target = session.config, str(session.config.eval_on)
    job.folder.mkdir(parents=True, exist_ok=True)
    if checkpoint is None:
        _refuse(session, job, "its checkpoint is not there")
        return
    file = job.folder / "config.json"
    replace_file(file, _saved(config))
    evaluate = [
        sys.executable,
        "-P",
        "-m",
        "vlatrain.tools",
        "evaluate",
        str(checkpoint),
        str(file),
        f"--result={job.result}",
    ]
    device = "--device=cpu" if target == "cpu" else f"--device={config.device.value}"
    words = ["start", "--json", "--name", f"eval-step{step}", "--restarts", RESTARTS]
    words += [*_part_of(), "--gpus", GPUS.get(target, f"{target},"), "--", *evaluate, device]
    done = _vlad(*words)
    if done.returncode != 0:
        _refuse(session, job, (done.stderr.strip().splitlines() or ["vlad start failed"])[-1])
        return
    replace_file(job.run, json.loads(done.stdout)["directory"].encode())


def _part_of() -> list[str]:
    """What makes it a part of the run that this process is of, where that is one of vlad's."""
    run_id = os.environ.get(RUN_ID_VARIABLE, "")
    return ["--part-of", run_id] if run_id in Home(default_home()).live_ids() else []


def _vlad(*words: str) -> "subprocess.CompletedProcess[str]":
    """Asks the supervisor, without the variables that make this process a rank of its own run."""
    environment = {name: text for name, text in os.environ.items() if name not in (*TORCHRUN, *OURS)}
    return subprocess.run([*VLAD, *words], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _saved(config: FinetuneConfig) -> bytes:
    """The resolved configuration as the trainer's command line reads it."""
    values = {name: {"value": value, "origin": "the training run"} for name, value in asdict(config).items()}
    return json.dumps({"config": values}, default=str).encode()


def _refuse(session: Session, job: Job, reason: str) -> None:
    replace_file(job.result, msgspec.json.encode(_failed(session, job.step, reason)))


def _failed(session: Session, step: int, reason: str) -> Evaluation:
    name = session.config.eval_task_suite_name
    return Evaluation(
        at=time.time(), step=step, suite=name, successes=0, episodes=0, success_rate=0.0, low=0.0, high=100.0,
        failure=reason,
    )  # fmt: skip


def joined(session: Session, state: TrainState) -> TrainState:
    """The state with every result that has arrived, oldest first. Collective while something is pending."""
    while is_awaited(session, state):
        step = state.pending[0]
        record = _arrived(session, step) if session.ranks.is_first else None
        told = [0, 0, 0] if record is None else [1 + (record.failure is not None), record.successes, record.episodes]
        kind, successes, episodes = session.ranks.add_up(torch.tensor(told)).tolist()
        if not kind:
            return state
        is_counted = kind == 1 and is_due(step, session.config.eval_every_steps, session.config.max_steps)
        after = _counted(session, state, step, successes, episodes) if is_counted else state
        state = after.without_pending(step)
        if record is not None:
            _tell(session, state, record, is_counted=is_counted)
            if is_awaited(session, state):
                _begin_due(session, state)
        _tell_behind(session, state)
    return state


def is_awaited(session: Session, state: TrainState) -> bool:
    """Whether results are to come that can still change anything: after an early stop none can."""
    return bool(state.pending) and not state.early_stop.is_exhausted(session.early_stop)


def _arrived(session: Session, step: int) -> Evaluation | None:
    """The result of a step, or the failure to get one; None while it may still come."""
    job = job_of(session, step)
    record = job.record()
    if record is not None:
        return record
    if session.is_time_to_look(LOOK_AT_RUN_S):
        failure = job.failure()
        return (job.record() or _failed(session, step, failure)) if failure else None
    return None


def _counted(session: Session, state: TrainState, step: int, successes: int, episodes: int) -> TrainState:
    high = wilson_interval(successes, episodes)[1]
    return state.joined(step, 100 * successes / episodes, session.early_stop, high)


def _tell(session: Session, after: TrainState, record: Evaluation, *, is_counted: bool) -> None:
    """The line of evaluations.jsonl, and of the checkpoint that has turned out to be the best."""
    is_best = is_counted and after.best_step == record.step
    full = msgspec.structs.replace(
        record,
        improved=is_best,
        best=after.early_stop.best if after.best_step is not None else None,
        best_step=after.best_step,
        bad_evaluations=after.early_stop.bad_evaluations,
        patience=session.early_stop.patience if session.early_stop.enabled else None,
    )
    if not session.reports.has_told(record):
        session.reports.evaluation(full, session.early_stop, is_scheduled=is_counted)
    if record.failure:
        session.reports.warn(f"evaluation of step {record.step}: {record.failure}")
    if is_best:
        session.checkpoints.tell_best(record.step)


def awaited(session: Session, state: TrainState) -> TrainState:
    """The state once nothing is pending, or the run shall stop: what is left then is left to a resume."""
    while is_awaited(session, state) and not session.inbox.wishes().stop:
        state = joined(session, state)
        if is_awaited(session, state):
            _tell_waiting(session, state)
            time.sleep(POLL_S)
    return state


def _tell_waiting(session: Session, state: TrainState) -> None:
    """Which evaluation is waited for, and how far its own run says it is."""
    if session.ranks.is_first:
        step = state.pending[0]
        done, total = job_of(session, step).episodes()
        told = f"of step {step}, beside training"
        session.reports.phase(Phase.EVALUATING, state.step, done, total, told, of_step=step)


def abandoned(session: Session, state: TrainState) -> None:
    """After an early stop: evaluations that still go on are stopped, because nobody waits for them."""
    if not session.ranks.is_first or not state.early_stop.is_exhausted(session.early_stop):
        return
    for step in state.pending:
        job = job_of(session, step)
        if job.record() is None and job.run.is_file():
            run_id = Path(job.run.read_text()).name
            _vlad("stop", "--now", "--no-wait", run_id)


def begun_again(session: Session, state: TrainState) -> None:
    """After a resume: evaluations whose run is gone and left no result are started again."""
    _tell_behind(session, state)
    for step in _in_turn(session, state) if session.ranks.is_first else ():
        job = job_of(session, step)
        if job.record() is None and job.failure() is not None:
            _begin(session, step)
