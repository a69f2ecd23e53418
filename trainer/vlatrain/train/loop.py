"""The training loop."""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

from vlad.records import failpoints
from vlad.records.progress import Reason
from vlad.records.requests import Action

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.distributed import Ranks
from vlatrain.errors import TrainingError
from vlatrain.fast.feeding import Feed
from vlatrain.train.elsewhere import abandoned, awaited, begun_again, is_awaited, joined, submitted
from vlatrain.train.evaluating import evaluated, owes_evaluation, warn_of_resolution, warn_of_simulator
from vlatrain.train.session import Session
from vlatrain.train.state import TrainState, is_due
from vlatrain.train.step import model_inputs, rate_at, train_step


def train(session: Session) -> TrainState:
    """Trains from where the session stands to the last step, an early stop or a wish to stop. Raises TrainingError."""
    session.reports.plan(session.config, session.ranks, session.start, session.samples_per_step)
    session.reports.levers(session.learner.levers)
    warn_of_resolution(session)
    warn_of_simulator(session)
    batches = session.batches.stream(session.start.position)
    begun_again(session, session.start)
    session.checkpoints.prepare(session.learner)
    prepare = partial(model_inputs, session.learner, codec=session.codec, config=session.config)
    feed = Feed(batches, prepare, session.learner.device)
    with closing(session.checkpoints), closing(session.profile), session.inbox.listening(), closing(batches):
        return _trained(session, session.start, feed)


def _trained(session: Session, state: TrainState, feed: Feed) -> TrainState:
    """Between two steps: what is asked for is read, an owed evaluation is done, and what is due is saved."""
    config = session.config
    while True:
        state = joined(session, state)
        wishes = session.inbox.wishes()
        if not wishes.stop and (wishes.evaluate or owes_evaluation(config, state)):
            state = evaluate_and_save(session, state)
            continue
        if not wishes.stop and state.step >= config.max_steps and is_awaited(session, state):
            state = awaited(session, state)
            continue
        if wishes.stop or wishes.save or state.early_stop.is_exhausted(session.early_stop):
            save(session, state)
        elif is_due(state.step, config.save_steps, config.max_steps):
            session.telling.now()
            session.checkpoints.begin(session.learner, state)
        if wishes.stop or is_over(session, state):
            return finish(session, state, is_stopped=wishes.stop)
        state = update(session, state, feed)


def is_over(session: Session, state: TrainState) -> bool:
    """Whether the run has done what it was to do."""
    return state.step >= session.config.max_steps or state.early_stop.is_exhausted(session.early_stop)


def evaluate_and_save(session: Session, state: TrainState) -> TrainState:
    """The step is safe on the disk before its evaluation, because simulators die, and knows the result after it."""
    session.starting.waits_for("an evaluation")
    save(session, state)
    is_elsewhere = session.config.eval_on is not None and session.suite is not None and state.step > 0
    state = submitted(session, state) if is_elsewhere else evaluated(session, state)
    save(session, state)
    return state


def save(session: Session, state: TrainState) -> None:
    """Saves what is not saved yet, and answers whoever asked for it. Before the first step there is nothing to save."""
    session.telling.now()
    if state.step == 0:
        session.inbox.answer({Action.SAVE}, "nothing is trained yet")
        return
    is_saved = session.checkpoints.save(session.learner, state)
    path = session.checkpoints.path_of(state.step)
    session.inbox.answer({Action.SAVE}, f"checkpoint {path}" if is_saved else "not saved, see the warning")


def update(session: Session, state: TrainState, feed: Feed) -> TrainState:
    """One step, logged when that is due. The next batch is made ready before anybody waits for the GPU.

    On a GPU a logged step is told when the next one is under way there, so that the GPU never waits for the log.
    """
    session.starting.first_step(state.step, is_compiled=session.learner.levers.compile)
    started = time.monotonic()
    train_step(session.learner, feed, session.codec, session.config, state.step)
    session.starting.is_done(session.learner.device)
    after = state.stepped(session.samples_per_step)
    if not is_over(session, after):
        feed.look_ahead()
    failpoints.reach(f"step_{after.step}")
    session.telling.now()
    if is_due(after.step, session.config.log_every_steps, session.config.max_steps):
        session.telling.later(partial(_tell, session, after, session.learner.taken()))
    session.reports.took(time.monotonic() - started)
    session.profile.made_one()
    if not session.learner.is_told_late or is_over(session, after):
        session.telling.now()
    return after


def _tell(session: Session, after: TrainState, taken: Callable[[Ranks, int], dict[str, float]]) -> None:
    """Logs a step that was made."""
    told = taken(session.ranks, after.step)
    epoch = after.position / session.samples
    rate = rate_at(after.step - 1, session.config)
    session.reports.step(after.step, rate, told, session.samples_per_step, epoch)


def finish(session: Session, state: TrainState, *, is_stopped: bool) -> TrainState:
    """The last word. Raises TrainingError where the last steps could not be saved."""
    session.telling.now()
    session.checkpoints.settle()
    abandoned(session, state)
    if state.step > session.start.step and session.checkpoints.saved != state:
        failure = session.checkpoints.failure or "see what the first rank says"
        raise TrainingError(f"the run ends at step {state.step}, but its last checkpoint could not be saved: {failure}")
    if not is_stopped:
        session.checkpoints.wait_for_merges()
    session.inbox.answer(Action, "the run stops" if is_stopped else "the run is over")
    session.reports.finished(state.step, None if is_stopped else reason(session.config, state))
    return state


def reason(config: FinetuneConfig, state: TrainState) -> Reason:
    return Reason.MAX_STEPS if state.step >= config.max_steps else Reason.EARLY_STOP
