"""Runs that wait: for GPUs that others hold or use, and for the runs that they follow."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import Vlad
from fake_gpus import FakeGpus, fake_gpus
from patience import until
from supervised_runs import Lab, Run, kill_both
from vlad.host import processes
from vlad.host.leases import read_claims
from vlad.records import failpoints
from vlad.records.requests import Action
from vlad.records.run import Leased, Moved, State, Waits
from vlad.records.spec import Predecessor, RestartPolicy, StopLadder
from vlad.supervise import control, detach
from vlad.supervise.adopt import adopt_orphans

SEEN = 'echo "sees $CUDA_VISIBLE_DEVICES"'
LIVE = f"{SEEN}; until [ -e $GATE ]; do sleep 0.05; done"


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpus:
    """A host with two."""
    return fake_gpus(tmp_path, 2, monkeypatch)


def start(lab: Lab, script: str = LIVE, name: str = "gate", **more: Any) -> Run:
    """A run of `script`, which ends when the file GATE (`name`, in the folder of the test) appears."""
    environment = {"GATE": str(lab.path / name), "CUDA_VISIBLE_DEVICES": "all of them"}
    spec = lab.spec("bash", "-c", script, environment=environment, restart=more.pop("restart", None))
    run = lab.create(msgspec.structs.replace(spec, **more))
    detach.start(run.directory)
    return run


def until_waiting(run: Run, reason: str) -> None:
    until(lambda: run.record.queue is not None and reason in run.record.queue.reason, (reason, run))
    assert run.record.state is State.QUEUED


def held(gpus: FakeGpus) -> dict[str, list[int]]:
    return {one.run_id: [gpu.index for gpu in one.gpus] for one in read_claims(gpus.locks) if one.gpus}


def test_a_run_sees_the_gpus_that_it_holds_and_gives_them_back(lab: Lab, gpus: FakeGpus) -> None:
    run = start(lab, SEEN, gpus=gpus.wish(2))
    record = run.until_ended()
    assert record.state is State.SUCCEEDED
    assert run.console() == "sees GPU-0,GPU-1\n"
    assert [(gpu.index, gpu.name) for gpu in record.gpus] == [(0, "Fake 4090"), (1, "Fake 4090")]
    assert read_claims(gpus.locks) == []


def test_runs_wait_in_order_with_place_and_reason_until_gpus_are_free(lab: Lab, gpus: FakeGpus) -> None:
    first = start(lab, gpus=gpus.wish(1, 0))
    first.until_state(State.RUNNING)
    second = start(lab, gpus=gpus.wish(2), name="second")
    until_waiting(second, f"waits for 2 GPUs: 0 is held by {first.directory.run_id}")
    third = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(third, f"1 is kept for {second.directory.run_id}")
    place = third.record.queue
    assert place is not None
    assert (place.position, place.length) == (2, 2)
    assert third.record.why == place.reason
    (lab.path / "gate").touch()
    second.until_state(State.RUNNING)
    until_waiting(third, f"held by {second.directory.run_id}")
    assert held(gpus) == {second.directory.run_id: [0, 1]}
    (lab.path / "second").touch()
    assert third.until_ended().state is State.SUCCEEDED
    assert third.record.queue is None


def test_a_higher_priority_goes_first(lab: Lab, gpus: FakeGpus) -> None:
    first = start(lab, gpus=gpus.wish(2))
    first.until_state(State.RUNNING)
    patient = start(lab, SEEN, gpus=gpus.wish(2))
    until_waiting(patient, "held by")
    urgent = start(lab, name="urgent", gpus=gpus.wish(2), priority=1)
    until_waiting(urgent, "held by")
    (lab.path / "gate").touch()
    urgent.until_state(State.RUNNING)
    assert patient.record.state is State.QUEUED
    (lab.path / "urgent").touch()
    patient.until_ended()


def test_a_lease_outlives_every_guard_but_not_the_job(lab: Lab, gpus: FakeGpus) -> None:
    """First the supervisor is killed, then its successor with the keeper, then the job itself."""
    holder = start(lab, f"echo $$; {LIVE}", gpus=gpus.wish(2))
    holder.until_state(State.RUNNING)
    waiting = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(waiting, "held by")
    _, supervisor = holder.guard()
    processes.signal_process(supervisor, signal.SIGKILL)
    until(lambda: holder.is_guarded_by(holder.record), "another supervisor")
    assert held(gpus) == {holder.directory.run_id: [0, 1]}
    kill_both(holder)
    assert held(gpus) == {holder.directory.run_id: [0, 1]}
    assert waiting.record.state is State.QUEUED
    processes.signal_process(holder.agent(), signal.SIGKILL)
    assert waiting.until_ended().state is State.SUCCEEDED
    assert adopt_orphans(lab.home) == [holder.directory.run_id]
    assert holder.until_ended().state is State.FAILED


def test_ranks_that_outlive_all_others_keep_the_lease(lab: Lab, gpus: FakeGpus) -> None:
    """They have no descriptor of the lease, only the lock of the run as their standard input."""
    holder = start(lab, "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; setsid sleep 600 <&0 & wait", gpus=gpus.wish(1))
    holder.until_state(State.RUNNING)
    until(lambda: len(holder.workers()) == 2, "agent and rank")
    agent = holder.agent()
    (rank,) = set(holder.workers()) - {agent.pid}
    kill_both(holder)
    processes.signal_process(agent, signal.SIGKILL)
    until(lambda: holder.workers() == [rank], "the rank alone")
    assert held(gpus) == {holder.directory.run_id: [0]}
    os.kill(rank, signal.SIGKILL)
    until(lambda: held(gpus) == {}, "the end of the lease")


def test_restarts_keep_their_gpus(lab: Lab, gpus: FakeGpus) -> None:
    twice = RestartPolicy(budget=1, backoff_s=0.05)
    run = start(lab, f"{SEEN}; exit 3", gpus=gpus.wish(1, 1), restart=twice)
    run.until_ended()
    assert [run.console(attempt) for attempt in (1, 2)] == ["sees GPU-1\n"] * 2
    assert len([event for event in run.events if isinstance(event, Leased)]) == 1


def test_gpus_that_others_use_are_waited_for(lab: Lab, gpus: FakeGpus) -> None:
    gpus.use(0, gib=1.5)
    gpus.use(1, gib=2.5)
    run = start(lab, SEEN, gpus=gpus.wish(2))
    until_waiting(run, "waits for 2 GPUs: 1 is used by others")
    gpus.use(1, gib=0)
    assert run.until_ended().state is State.SUCCEEDED


def test_a_driver_that_cannot_be_read_is_told_and_tried_again(lab: Lab, gpus: FakeGpus) -> None:
    gpus.file.rename(lab.path / "aside")
    run = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(run, "No such file")
    (lab.path / "aside").rename(gpus.file)
    assert run.until_ended().state is State.SUCCEEDED


def test_a_waiting_run_can_be_stopped_and_resumed_into_the_queue(lab: Lab, gpus: FakeGpus) -> None:
    first = start(lab, gpus=gpus.wish(2))
    first.until_state(State.RUNNING)
    second = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(second, "held by")
    second.ask(Action.STOP)
    assert second.until_ended().state is State.STOPPED
    assert held(gpus) == {first.directory.run_id: [0, 1]}
    control.resume(second.directory)
    until_waiting(second, "held by")
    (lab.path / "gate").touch()
    assert second.until_ended().state is State.SUCCEEDED


def test_a_run_whose_gpus_others_took_after_a_reboot_queues_again(
    lab: Lab, gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody lives for the first one, so that its lease does not count; it stands in backoff."""
    with monkeypatch.context() as failing:
        failing.setenv(failpoints.VARIABLE, "moved.BACKOFF:kill_both")
        first = start(lab, f"{SEEN}; exit 3", gpus=gpus.wish(2), restart=RestartPolicy(budget=1, backoff_s=0.1))
    until(lambda: first.record.state is State.BACKOFF and first.is_unguarded(), first)
    lease = next(gpus.locks.glob(f"*{first.directory.run_id}*"))
    content = lease.read_bytes()
    second = start(lab, gpus=gpus.wish(1))
    second.until_state(State.RUNNING)
    lease.write_bytes(content)
    assert adopt_orphans(lab.home) == [first.directory.run_id]
    until_waiting(first, f"held by {second.directory.run_id}")
    (lab.path / "gate").touch()
    first.until_ended()
    moves = [event.state for event in first.events if isinstance(event, Moved)]
    assert moves[-5:] == [State.BACKOFF, State.QUEUED, State.STARTING, State.RUNNING, State.FAILED]


ENDS = {
    "success": ("exit 0", False, State.SUCCEEDED),
    "failure": ("exit 3", False, State.FAILED),
    "any end": ("exit 3", True, State.SUCCEEDED),
}


@pytest.mark.parametrize(("how", "any_end", "outcome"), ENDS.values(), ids=ENDS.keys())
def test_a_run_follows_another(lab: Lab, how: str, any_end: bool, outcome: State) -> None:
    first = start(lab, f"{LIVE}; {how}")
    first.until_state(State.RUNNING)
    run_id = first.directory.run_id
    second = start(lab, "true", after=(Predecessor(run_id=run_id, any_end=any_end),))
    until_waiting(second, f"waits for the end of {run_id} (RUNNING)")
    (lab.path / "gate").touch()
    record = second.until_ended()
    assert record.state is outcome
    assert len(record.attempts) == (1 if outcome is State.SUCCEEDED else 0)
    if outcome is State.FAILED:
        assert record.why == f"{run_id}, which it was to follow, is FAILED"


def test_who_waits_for_another_run_stands_in_nobodys_way(lab: Lab, gpus: FakeGpus) -> None:
    first = start(lab)
    later = start(lab, SEEN, gpus=gpus.wish(2), after=(Predecessor(run_id=first.directory.run_id),))
    until_waiting(later, "waits for the end of")
    assert start(lab, SEEN, gpus=gpus.wish(2)).until_ended().state is State.SUCCEEDED
    (lab.path / "gate").touch()
    assert later.until_ended().state is State.SUCCEEDED


def test_waiting_writes_nothing_while_nothing_changes(lab: Lab, gpus: FakeGpus) -> None:
    first = start(lab, gpus=gpus.wish(2))
    first.until_state(State.RUNNING)
    second = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(second, "held by")
    until(lambda: second.guards(), "its supervisor")
    supervisor = second.guard()[1]
    before = pauses(supervisor.pid)
    until(lambda: pauses(supervisor.pid) > before + 8, "several looks")
    assert len([event for event in second.events if isinstance(event, Waits)]) == 1
    (lab.path / "gate").touch()
    second.until_ended()


def pauses(pid: int) -> int:
    """How often a process has waited."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])


def test_a_leftover_that_still_holds_a_gpu_is_named(vlad: Vlad, lab: Lab, gpus: FakeGpus) -> None:
    """No grace at all makes any process one that cannot be ended; a stranger on the same GPU is not of the run."""
    script = f"setsid sleep 600 & echo $!; {LIVE}"
    ladder = StopLadder(request_grace_s=0, term_grace_s=0, kill_grace_s=0)
    run = start(lab, script, gpus=gpus.wish(1), stop=ladder)
    run.until_state(State.RUNNING)
    pid = int(until(lambda: run.console().partition("\n")[0], "the pid of what is left behind"))
    gpus.hold(0, pid, gib=3)
    gpus.hold(1, os.getpid(), gib=3)
    (lab.path / "gate").touch()
    record = run.until_ended()
    assert [(one.process.pid, one.name, one.gpus) for one in record.leftovers] == [(pid, "sleep", (0,))]
    assert f"process {pid} (sleep) still holds GPU 0 (3.0 GiB)" in vlad("show", "last").out
    os.kill(pid, signal.SIGKILL)
    until(lambda: not run.workers(), "its end")
    assert "still holds" not in vlad("show", "last").out


def test_a_folder_of_leases_that_somebody_removed_is_made_anew(lab: Lab, gpus: FakeGpus) -> None:
    gpus.use(0, gib=20)
    gpus.use(1, gib=20)
    run = start(lab, SEEN, gpus=gpus.wish(1))
    until_waiting(run, "used by others")
    shutil.rmtree(gpus.locks)
    until(lambda: [one.run_id for one in read_claims(gpus.locks)] == [run.directory.run_id], "its claim again")
    gpus.use(1, gib=0)
    assert run.until_ended().state is State.SUCCEEDED


KILLS = ["journal.before.waits", "journal.before.leased", "journal.after.leased", "run.ended"]


@pytest.mark.parametrize("failpoint", KILLS)
def test_a_supervisor_killed_on_its_way_through_the_queue_changes_nothing(
    lab: Lab, gpus: FakeGpus, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    (lab.path / "failed").mkdir()
    monkeypatch.setenv(failpoints.VARIABLE, f"{failpoint}:kill")
    monkeypatch.setenv(failpoints.ONCE_VARIABLE, str(lab.path / "failed"))
    gpus.use(0, gib=20)
    run = start(lab, SEEN, gpus=gpus.wish(2))
    until_waiting(run, "0 is used by others")
    gpus.use(0, gib=0)
    assert run.until_ended().state is State.SUCCEEDED
    assert [path.name for path in (lab.path / "failed").iterdir()] == [failpoint]
    assert run.console() == "sees GPU-0,GPU-1\n"
    assert len(run.record.attempts) == 1
    assert len([event for event in run.events if isinstance(event, Leased)]) == 1
    assert read_claims(gpus.locks) == []
    assert not list(gpus.locks.glob("*.lease"))
