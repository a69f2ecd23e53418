"""Which processes are a run's, and how its agent ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from patience import until
from supervised_runs import Lab, Run, kill_both
from vlad.host import processes
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.outcome import AgentClaim, ProcessIdentity
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.supervise import exits
from vlad.supervise.worker_group import Life, WorkerGroup, members, signal_all


@pytest.fixture
def run(lab: Lab) -> Run:
    created = lab.create(lab.spec("true"))
    created.directory.lock.touch()
    return created


@contextmanager
def orphan(environment: dict[str, str], stdin: int = subprocess.DEVNULL) -> Iterator[int]:
    """A process that sleeps and whose parent is gone: children of this test process would be taken for the run's."""
    script = "exec 3<&0; setsid sleep 600 <&3 3<&- >/dev/null & echo $!"
    shell = subprocess.run(["sh", "-c", script], env=environment, stdin=stdin, stdout=subprocess.PIPE, check=True)
    pid = int(shell.stdout)
    try:
        until(lambda: (stat := processes.read_stat(pid)) and stat.name == "sleep", "execution")
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


def pids(run: Run) -> set[int]:
    return {process.pid for process in members(run.directory)}


def tag(run: Run) -> dict[str, str]:
    return {"VLAD_RUN_ID": run.directory.run_id, "PATH": os.environ["PATH"]}


def test_a_process_with_the_runs_tag_is_its_own_whatever_its_session(run: Run) -> None:
    with orphan(tag(run)) as pid:
        assert pid in pids(run)


def test_a_process_with_the_runs_lock_as_stdin_is_its_own(run: Run) -> None:
    """Programs that overwrite their environment (to change their name in ps) have lost their tag."""
    with run.directory.lock.open() as lock, orphan({"PATH": os.environ["PATH"]}, lock.fileno()) as pid:
        assert pid in pids(run)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="no tag"),
        pytest.param({"VLAD_RUN_ID": "20261122-0931-other-7f3a"}, id="another run's tag"),
        pytest.param({"MY_VLAD_RUN_ID": "RUN"}, id="a name that only ends like the tag"),
        pytest.param({"VLAD_RUN_ID": "RUN0"}, id="an id that only begins like the run's"),
        pytest.param({"X": "\nVLAD_RUN_ID=RUN"}, id="the tag inside another value"),
    ],
)
def test_a_process_that_cannot_be_proven_to_be_the_runs_is_none_of_it(run: Run, environment: dict[str, str]) -> None:
    named = {name: value.replace("RUN", run.directory.run_id) for name, value in environment.items()}
    with orphan({"PATH": os.environ["PATH"], **named}) as pid:
        assert pid not in pids(run)


def test_the_guard_of_any_run_is_nobodys_worker(run: Run) -> None:
    with orphan({**tag(run), "VLAD_SUPERVISES": "20261122-0931-inner-7f3a"}) as pid:
        assert pid not in pids(run)


@pytest.mark.parametrize(
    ("environment", "is_ours"),
    [({}, True), ({"VLAD_RUN_ID": "20261122-0931-inner-7f3a"}, False)],
    ids=["untagged", "of a run inside"],
)
def test_an_orphan_given_to_the_guard_is_its_own_unless_another_runs_tag_is_on_it(
    run: Run, environment: dict[str, str], is_ours: bool
) -> None:
    """To a supervisor all its children are orphans, and this process stands for one."""
    with subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], **environment}) as child:
        until(lambda: (stat := processes.read_stat(child.pid)) and stat.name == "sleep", "execution")
        try:
            assert (child.pid in pids(run)) is is_ours
        finally:
            child.kill()


def test_a_run_that_a_run_has_started_outlives_it_also_without_its_guards(lab: Lab) -> None:
    """The kernel gives its orphaned job to the guards of the outer run, which must not end it."""
    vlad = [sys.executable, "-c", "from vlad.cli import main; main()"]
    start = f"import subprocess; subprocess.run({[*vlad, 'start', '--name', 'inner', '--', 'sleep', '600']})"
    script = f"import time; {start}; time.sleep(600)"
    outer = lab.start(sys.executable, "-c", script, environment={"VLAD_HOME": str(lab.home.path)})
    inner_id = until(lambda: next((one for one in lab.home.live_ids() if "-inner-" in one), None), outer)
    inner = Run(lab.home.run(inner_id))
    lab.runs.append(inner)
    agent = inner.agent()
    kill_both(inner)
    outer.ask(Action.STOP_NOW)
    assert outer.until_ended().state is State.STOPPED
    assert processes.is_alive(agent)


def test_the_end_of_an_agent_that_is_our_child_is_recorded_before_it_is_reaped(run: Run) -> None:
    attempt, agent = start_agent(run, "exit 7")
    group = WorkerGroup(run.directory, attempt, agent)
    found = until(group.exit, "exit")
    assert (found.code, found.signal, found.raw_status) == (7, None, 7 << 8)
    assert attempt.read_exit() is not None
    assert processes.stat_of(agent) is None
    group.close()


def test_a_zombie_of_ours_keeps_its_exit_until_it_is_on_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, agent = start_agent(run, "exit 7")
    until(lambda: not processes.is_alive(agent), "end")
    with monkeypatch.context() as patch:
        patch.setattr(exits, "write_exit", _no_space)
        with pytest.raises(OSError, match="No space"):
            exits.reap_children(run.directory)
    assert processes.stat_of(agent) is not None
    exits.reap_children(run.directory)
    assert processes.stat_of(agent) is None
    recorded = attempt.read_exit()
    assert recorded is not None
    assert recorded.code == 7


def _no_space(attempt: AttemptDirectory, exit: object) -> None:
    raise OSError(28, "No space left on device")


def start_agent(run: Run, script: str) -> tuple[AttemptDirectory, ProcessIdentity]:
    attempt = run.directory.attempt(1)
    attempt.path.mkdir()
    agent = processes.identity_of(os.posix_spawnp("sh", ["sh", "-c", script], os.environ))
    assert agent is not None
    attempt.agent.write_bytes(msgspec.json.encode(AgentClaim(identity=agent)))
    return attempt, agent


def test_how_a_process_ended_that_somebody_else_reaped_is_asked_of_the_kernel(run: Run) -> None:
    attempt, agent = start_agent(run, "exit 41")
    group = WorkerGroup(run.directory, attempt, agent)
    os.waitpid(agent.pid, 0)
    assert group.life() is Life.GONE
    found = group.exit()
    assert found is not None
    assert (found.code, found.signal) in [(41, None), (None, None)]  # kernels before 6.15 cannot tell
    group.close()


def test_a_process_that_was_gone_before_we_looked_ended_nobody_knows_how(run: Run) -> None:
    attempt, agent = start_agent(run, "exit 0")
    os.waitpid(agent.pid, 0)
    group = WorkerGroup(run.directory, attempt, agent)
    found = group.exit()
    assert found is not None
    assert (found.code, found.signal, found.recorded_by) == (None, None, "nobody")


def test_an_agent_that_is_our_child_is_proven_to_be_ours(run: Run) -> None:
    attempt, agent = start_agent(run, "sleep 600")
    group = WorkerGroup(run.directory, attempt, agent)
    assert group.life() is Life.RUNS
    assert agent in members(run.directory)
    signal_all([agent], signal.SIGTERM)
    found = until(group.exit, "exit")
    assert found.signal == signal.SIGTERM
    assert members(run.directory) == []
    group.close()


@pytest.mark.parametrize(
    ("status", "code", "number"), [(0, 0, None), (3 << 8, 3, None), (9, None, 9), (11 | 0x80, None, 11)]
)
def test_wait_statuses_are_exit_codes_or_signals(status: int, code: int | None, number: int | None) -> None:
    found = exits.exit_from_status(status, "test")
    assert (found.code, found.signal, found.raw_status) == (code, number, status)
