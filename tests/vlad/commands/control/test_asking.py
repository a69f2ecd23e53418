"""vlad resume, save, evaluate: what they promise of a run."""

import pytest
from command_line import Story, Vlad
from patience import until
from supervised_runs import Lab, Run
from vlad.records.progress import Reason
from vlad.records.run import State
from vlad.records.spec import Kind
from vlad.supervise import locks


@pytest.mark.parametrize(
    ("reason", "told"), [(Reason.MAX_STEPS, "max steps"), (Reason.EARLY_STOP, "early stop"), (Reason.COMMAND_DONE, "")]
)
def test_resuming_a_training_that_had_succeeded_says_how_to_train_on(
    vlad: Vlad, lab: Lab, reason: Reason, told: str
) -> None:
    name = reason.lower().replace("_", "-")  # a test beside this one ends the processes of runs of the same id
    story = Story(lab, name).attempt().ended(code=0).moved(State.SUCCEEDED, reason=reason)
    answer = vlad("resume", name)
    assert answer.code == 0
    assert (f"it had succeeded ({told}) and may end at once" in answer.err) is bool(told)
    resumed = Run(story.run)
    until(lambda: len(resumed.record.attempts) == 2 and resumed.record.state.is_final, resumed)
    until(lambda: not locks.is_locked(resumed.directory.keeper_lock), "the end of its guards")


@pytest.mark.parametrize(
    ("kind", "promised"), [(Kind.TRAIN, "shows it when it is done"), (Kind.COMMAND, "only those that use vlad.report")]
)
def test_an_answer_is_promised_only_of_who_can_give_one(vlad: Vlad, lab: Lab, kind: Kind, promised: str) -> None:
    Story(lab, "asked", kind=kind).attempt()
    for verb in ("save", "evaluate"):
        assert promised in vlad(verb, "asked").err
