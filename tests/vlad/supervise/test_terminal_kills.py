"""The terminal of a run survives the kill of any process that keeps it."""

import pytest
from patience import until
from supervised_runs import Lab, kill, kill_at_once
from terminal_views import ECHOES, Start, Watch, holder
from vlad.records.run import State
from vlad.supervise import locks
from vlad.supervise.adopt import adopt_orphans


@pytest.mark.parametrize("victim", ["supervisor", "keeper", "holder"])
def test_a_kill_of_any_one_process_leaves_the_terminal_alive(with_terminal: Start, watch: Watch, victim: str) -> None:
    run = with_terminal("sh", "-c", ECHOES)
    before = watch(run)
    before.type("one\r")
    before.until("got:one")
    keeper, supervisor = run.guard()
    kill({"supervisor": supervisor, "keeper": keeper, "holder": holder(run)}[victim])
    until(lambda: locks.is_locked(run.directory.terminal_lock), "a holder")
    after = watch(run)
    after.until("got:one")
    after.type("two\r")
    after.until("got:two")
    after.type("\x04")
    assert run.until_ended().state is State.SUCCEEDED
    assert run.console() == "one\ngot:one\ntwo\ngot:two\n"
    assert ("who served the terminal has died" in run.directory.supervisor_log.read_text()) is (victim == "holder")


def test_a_new_guard_gets_the_terminal_of_a_run_that_had_lost_both(
    lab: Lab, with_terminal: Start, watch: Watch
) -> None:
    run = with_terminal("sh", "-c", ECHOES)
    watcher = watch(run)
    watcher.type("one\r")
    watcher.until("got:one")
    serving = holder(run)
    kill_at_once(run.guard())
    watcher.type("two\r")
    watcher.until("got:two")
    adopt_orphans(lab.home)
    run.guard()
    kill(serving)
    until(lambda: locks.is_locked(run.directory.terminal_lock), "a holder")
    after = watch(run)
    after.type("three\r")
    after.until("got:three")
    after.type("\x04")
    run.until_ended()
    assert run.console().endswith("three\ngot:three\n")


def test_both_kills_at_once_are_survived_without_a_look(with_terminal: Start, watch: Watch) -> None:
    """Until somebody looks, the holder alone drains: the job is not held up."""
    run = with_terminal("sh", "-c", "echo ready; read line; seq 60000; sleep 600")
    watcher = watch(run)
    watcher.until("ready")
    until(lambda: holder(run), run)
    kill_at_once(run.guard())
    watcher.type("go\r")
    until(lambda: run.console().endswith("60000\n"), run)
