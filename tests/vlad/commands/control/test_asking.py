"""vlad resume: what it says of a run that had nothing left to do."""

import pytest
from command_line import Story, Vlad
from patience import until
from supervised_runs import Lab, Run
from vlad.records.progress import Reason
from vlad.records.run import State
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
