"""vlatrain.evaluate.tabletop: plans are executed as their actions would be one by one."""

from contextlib import closing

import numpy as np
import pytest
from plan_playing import Played, played
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import Plan
from vlatrain.sim.tabletop import expert_action, make_env

SUITE, EPISODE, SIZE = "tabletop_base", Episode(task=3, trial=1), 8


@pytest.fixture(scope="module")
def expert() -> Plan:
    """What the expert does in the episode, until the task is done."""
    table, actions, is_done = make_env(SUITE, EPISODE.task), [], False
    table.reset(options={"init_state": EPISODE.trial})
    while not is_done:
        actions.append(expert_action(table).astype(np.float64))
        _, _, is_done, is_cut, _ = table.step(actions[-1].astype(np.float32))
        assert not is_cut
    assert len(actions) % SIZE not in (0, 1)
    return np.array(actions)


def all_ways(actions: Plan, **settings: int) -> list[Played]:
    """One by one, in plans, and in plans that are followed; behind the end nothing shall be done."""
    further = np.concatenate([actions, np.ones((SIZE, 7))])
    suite = open_suite(FinetuneConfig(**settings), SUITE)  # type: ignore[arg-type]
    with closing(suite.open(1, 1)) as venue:
        ways = ((1, False), (SIZE, False), (SIZE, True))
        return [played(venue, EPISODE, further, size, is_followed=followed) for size, followed in ways]


def test_a_plan_is_its_actions_one_by_one_until_the_task_is_done(expert: Plan) -> None:
    alone, planned, followed = all_ways(expert)
    assert alone.outcome == Outcome(success=True, steps=len(expert))
    assert len(set(alone.seen)) == len(expert)
    assert planned == Played(alone.seen[::SIZE], alone.outcome)
    assert followed == alone


def test_the_step_limit_holds_within_a_plan(expert: Plan) -> None:
    alone, planned, followed = all_ways(expert, eval_max_steps=SIZE + 3)
    assert alone.outcome == Outcome(success=False, steps=SIZE + 3)
    assert planned == Played(alone.seen[::SIZE], alone.outcome)
    assert followed == alone
