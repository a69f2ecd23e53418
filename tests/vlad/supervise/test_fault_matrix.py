"""The short form of `make faults`: a kill of everybody in the middle of something, and checks that would see a loss."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fault_checks import losses
from fault_matrix import COLUMNS, VICTIMS, WORKERS, Fault, all_faults
from fault_stories import live_through
from supervised_runs import Lab, Run
from vlad.records.spec import Kind

FAULTS = {fault.name: fault for fault in all_faults()}
SHORT = (
    "supervisor at start-up: launch.after_fork (counts, stand-in)",
    "supervisor during a write: journal.during.agent_started (counts, stand-in)",
    "supervisor during a write: exit.during (counts, stand-in)",
    "supervisor stopping: state.during.STOPPING (stops, stand-in)",
    "keeper at start-up: supervisor.start (counts, stand-in)",
    "keeper saving: before_checkpoint_rename (counts, stand-in)",
    "keeper in backoff: waiting (fails, stand-in)",
    "terminal before a write: terminal.read (counts, terminal)",
    "terminal after a write: terminal.written (counts, terminal)",
    "terminal stopping: journal.during.STOPPING (stops, terminal)",
    "torchrun during a write: report.during (counts, stand-in)",
    "torchrun saving: after_checkpoint_rename (counts, stand-in)",
    "torchrun stopping: journal.before.requested (stops, stand-in)",
    "rank evaluating: in_evaluation (counts, stand-in)",
    "rank after a write: state.after.RUNNING (counts, stand-in)",
    "loader during a write: journal.during.requested (saves, stand-in)",
    "loader stopping: rank.stopping (stops, stand-in)",
    "vlatui during a write: request.during (saves, stand-in)",
)


@pytest.mark.parametrize("fault", [FAULTS[name] for name in SHORT], ids=lambda fault: fault.name)
def test_a_kill_loses_nothing(fault: Fault, tmp_path: Path) -> None:
    assert live_through(fault, tmp_path).problems == ()


def test_everybody_is_killed_in_every_column_in_which_they_live() -> None:
    cells = {(fault.victim, fault.when) for fault in FAULTS.values()}
    nobody = {(victim, "in backoff") for victim in WORKERS}
    assert cells == {(victim, column) for victim in VICTIMS for column in COLUMNS} - nobody
    assert len(FAULTS) >= 300


def _without_a_line(run: Run, witness: Path) -> None:
    console = run.directory.attempt(1).console
    lines = console.read_bytes().splitlines(keepends=True)
    console.write_bytes(b"".join(line for line in lines if line != b"rank 1 step 3\n"))


def _with_another_exit(run: Run, witness: Path) -> None:
    (witness / "exit-1").write_text("1")


def _with_a_lost_step(run: Run, witness: Path) -> None:
    lines = run.directory.progress.read_bytes().splitlines(keepends=True)
    run.directory.progress.write_bytes(b"".join(line for line in lines if b'"step":4,' not in line))


def _with_a_journal_cut(run: Run, witness: Path) -> None:
    run.directory.events.write_bytes(b"".join(run.directory.events.read_bytes().splitlines(keepends=True)[:-2]))


def _with_a_process(run: Run, witness: Path) -> None:
    """Process 1 lives, and its start is read as its own would be."""
    ticks = Path("/proc/1/stat").read_text().rsplit(")", 1)[1].split()[19]
    with (witness / "processes").open("a") as signed:
        signed.write(f"daemon 1 1 {ticks}\n")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Run, Path]]:
    """A run that has counted to its end, and what its processes have written down; nothing is lost."""
    work = tmp_path_factory.mktemp("counted")
    witness = work / "witness"
    witness.mkdir()
    lab = Lab(work)
    run = lab.start(*lab.counting("--steps", "8"), kind=Kind.TRAIN, environment={"FAULT_WITNESS": str(witness)})
    run.until_ended()
    kept = {
        path: path.read_bytes()
        for folder in (run.directory.path, witness)
        for path in folder.rglob("*.*")
        if path.is_file()
    }
    kept |= {path: path.read_bytes() for path in witness.iterdir()}

    def restored() -> tuple[Run, Path]:
        for path, content in kept.items():
            path.write_bytes(content)
        return run, witness

    return restored


GUARD_KILLED = Fault(victim="keeper", when="saving", point="x", holder="job")
TAMPERED = (_without_a_line, _with_another_exit, _with_a_lost_step, _with_a_journal_cut, _with_a_process)


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__.strip("_"))
def test_the_checks_see_a_loss(counted: Callable[[], tuple[Run, Path]], tamper: Callable[[Run, Path], None]) -> None:
    run, witness = counted()
    assert losses(GUARD_KILLED, run, witness.parent, witness) == []
    tamper(run, witness)
    assert losses(GUARD_KILLED, run, witness.parent, witness) != []
