"""Trainings that vlad did not start: found with their log, adopted, followed and stopped. Real scripts, tee and all."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Vlad
from fake_gpus import fake_gpus
from patience import until
from supervised_runs import SUPPORT, Run, kill_both
from vlad.host import processes
from vlad.host.foreign import described
from vlad.policy.training_programs import is_training, program_of, roots_of
from vlad.records.foreign import ForeignSettings
from vlad.records.progress import Reason
from vlad.records.run import State
from vlad.supervise.adopted import Family

Shell = Callable[..., subprocess.Popen[bytes]]
SCRIPT = SUPPORT / "run_method_train.sh"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Runs a line of bash in a session of its own, as a terminal does; everything that it has started is ended."""
    started: list[tuple[subprocess.Popen[bytes], Family]] = []

    def run_line(line: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["bash", "-c", line], cwd=tmp_path, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        identity = processes.identity_of(process.pid)
        assert identity is not None
        started.append((process, Family(identity)))
        return process

    yield run_line
    for process, family in started:
        for member in family.members():
            processes.signal_process(member, signal.SIGKILL)
        process.wait()
    rank = _rank(tmp_path)
    if rank is not None and (found := processes.identity_of(rank)) is not None:
        processes.signal_process(found, signal.SIGKILL)


def _rank(folder: Path) -> int | None:
    file = folder / "rank.pid"
    return int(file.read_text()) if file.exists() and file.read_text().strip() else None


def _listed(vlad: Vlad, folder: Path) -> list[dict[str, object]]:
    """Other trainings of the host do not disturb."""
    return [job for job in vlad("ps", "--foreign", "--json").json if job["cwd"] == str(folder)]


def _until_listed(vlad: Vlad, folder: Path, step: int | None = None) -> dict[str, object]:
    jobs = until(lambda: [job for job in _listed(vlad, folder) if step is None or job["step"] == step], "a training")
    assert len(jobs) == 1
    return jobs[0]


def _adopted(vlad: Vlad, *words: str) -> Run:
    answer = vlad("adopt", *words)
    assert answer.code == 0, answer.err
    return next(run for run in vlad.lab.runs if run.directory.run_id == answer.out.strip())


def test_a_script_that_tees_its_log_is_found_adopted_followed_and_stopped(
    vlad: Vlad, shell: Shell, tmp_path: Path
) -> None:
    log = tmp_path / "RUN_METHOD_RESUME_7.log"
    shell(f"bash {SCRIPT} {tmp_path} 3 wait 2>&1 | tee {log.name}")
    job = _until_listed(vlad, tmp_path, step=3000)
    assert (job["log"], job["log_by"], job["success_rate"]) == (str(log), "tee", 26.0)
    assert "run_method_train.sh" in vlad("ps").out
    rank = until(lambda: _rank(tmp_path), "a rank")
    run = _adopted(vlad, str(rank), "--name", "theirs")
    run.until_state(State.RUNNING)
    assert _listed(vlad, tmp_path) == []
    until(lambda: len(run.directory.read_evaluations()) == 3, run)
    assert [one.bad_evaluations for one in run.directory.read_evaluations()] == [0, 1, 2]
    with log.open("a") as more:
        more.write("[method] step 3001 lr 5e-05 loss 0.25\n")
    run.until_step(3001)
    assert "step 3001" in vlad("logs", "theirs").out
    assert vlad("stop", "theirs").code == 0
    assert run.until_ended().state is State.STOPPED
    ended = processes.read_stat(rank)
    assert ended is None or ended.is_zombie  # a container's first process may reap nobody


def test_an_adopted_training_is_stopped_early(vlad: Vlad, shell: Shell, tmp_path: Path) -> None:
    shell(f"bash {SCRIPT} {tmp_path} 4 wait > RUN_METHOD_RESUME_8.log 2>&1")
    job = _until_listed(vlad, tmp_path, step=4000)
    assert job["log_by"] == "redirection"
    run = _adopted(vlad, str(job["process"]["pid"]), "--early-stop", "patience=3,min_delta=0.1")  # type: ignore[index]
    record = run.until_ended()
    assert (record.state, record.reason) == (State.SUCCEEDED, Reason.EARLY_STOP)
    assert "best 80.0 % at step 1000" in record.why
    assert run.record.attempts[0].end_step == 4000


def test_the_end_of_an_adopted_training_is_told_truly_or_not_at_all(vlad: Vlad, shell: Shell, tmp_path: Path) -> None:
    shell(f"bash {SCRIPT} {tmp_path} 1 7 > log.txt; sleep 600")
    job = _until_listed(vlad, tmp_path, step=1000)
    run = _adopted(vlad, str(job["process"]["pid"]))  # type: ignore[index]
    run.until_state(State.RUNNING)
    (tmp_path / "go").touch()
    record = run.until_ended()
    ended = record.attempts[0].exit
    assert ended is not None
    assert record.state is State.FAILED
    assert ended.code == 7 or (ended.code is None and ended.recorded_by == "nobody")


def test_an_adopted_training_outlives_its_guard_and_is_followed_and_stopped_all_the_same(
    vlad: Vlad, shell: Shell, tmp_path: Path
) -> None:
    shell(f"bash {SCRIPT} {tmp_path} 2 wait > log.txt")
    job = _until_listed(vlad, tmp_path, step=2000)
    run = _adopted(vlad, str(job["process"]["pid"]))  # type: ignore[index]
    until(lambda: len(run.directory.read_evaluations()) == 2, run)
    kill_both(run)
    with (tmp_path / "log.txt").open("a") as more:
        more.write("[eval] step 2001 success_rate=5%\n")
    assert vlad("recover").out.split() == [run.directory.run_id]
    until(lambda: len(run.directory.read_evaluations()) == 3, run)
    rank = processes.identity_of(_rank(tmp_path) or 0)
    assert rank is not None
    assert vlad("stop", run.directory.run_id).code == 0
    assert [one.step for one in run.directory.read_evaluations()] == [1000, 2000, 2001]
    assert not processes.is_alive(rank)


def test_what_was_never_seen_below_the_adopted_process_is_never_signalled(shell: Shell) -> None:
    stranger = shell("sleep 618")
    known = shell("sleep 619 & wait")
    identity = processes.identity_of(known.pid)
    assert identity is not None
    family = Family(identity)
    until(lambda: len(family.members()) == 2, "bash and sleep")
    members = {one.pid for one in family.members()}
    known.kill()
    known.wait()
    assert stranger.pid not in members
    (orphan,) = family.members()
    assert orphan.pid in members - {known.pid}
    forged = Family(type(identity)(pid=stranger.pid, start_ticks=1, boot_id=identity.boot_id))
    assert forged.members() == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("1",), "no process id", id="the host's first process"),
        pytest.param(("x",), "no process id", id="no number"),
        pytest.param((str(os.getpid()),), "this very command", id="ourselves"),
        pytest.param(("4194302",), "no process", id="nobody"),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_one_line(vlad: Vlad, words: tuple[str], complaint: str) -> None:
    answer = vlad("adopt", *words)
    assert (answer.code, answer.out) == (2, "")
    assert complaint in answer.err


def test_a_process_of_a_run_is_not_adopted_again(vlad: Vlad) -> None:
    run = vlad.started("--", "sleep", "620")
    assert "of a run already" in vlad("adopt", str(run.agent().pid)).err


def test_a_log_is_found_among_open_files_and_in_a_folder(shell: Shell, tmp_path: Path) -> None:
    opened = shell("exec 5>mine.log; sleep 621")
    until(lambda: (found := described(opened.pid, ForeignSettings())) is not None and found.log, "a log")
    job = described(opened.pid, ForeignSettings())
    assert job is not None
    assert (job.log, job.log_by) == (str(tmp_path / "mine.log"), "open file")
    (tmp_path / "logs").mkdir()
    silent = shell("sleep 622")
    (tmp_path / "logs" / "RUN_METHOD_RESUME_1.log").write_text("[train] step 5 loss 1\n")
    job = described(silent.pid, ForeignSettings(log_folders=(str(tmp_path / "logs"),)))
    assert job is not None
    assert (job.log_by, job.step) == ("newest of its folder", 5)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        pytest.param("/opt/env/bin/torchrun --nproc 8 x.py", "torchrun", id="program"),
        pytest.param("python -u vla-scripts/finetune.py --lr 1", "finetune.py", id="script"),
        pytest.param("python3.11 -X dev -m torch.distributed.run x.py", "torch.distributed.run", id="module"),
        pytest.param("-bash", "bash", id="login shell"),
        pytest.param("bash -c torchrun", "", id="code on the line"),
    ],
)
def test_the_program_is_what_is_executed(command: str, program: str) -> None:
    assert program_of(command.split()) == program


@pytest.mark.parametrize("command", ["vim finetune.py", "tee finetune.log", "grep torchrun x", "bash", "python -c x"])
def test_who_only_names_a_training_is_none(command: str) -> None:
    assert not is_training(command.split())


def test_a_users_own_programs_count() -> None:
    assert not is_training(["python", "my_loop.py"])
    assert is_training(["python", "my_loop.py"], ("my_*.py",))


def test_a_job_begins_with_its_topmost_training() -> None:
    parents = {10: 1, 20: 10, 30: 20, 40: 30, 50: 1}
    assert roots_of([20, 40, 50], parents) == {20: 20, 40: 20, 50: 50}


def test_the_gpus_that_a_training_holds_are_shown_beside_it(
    vlad: Vlad, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its processes holds them: here the rank in a session of its own."""
    gpus = fake_gpus(tmp_path, 3, monkeypatch)
    script = shell(f"bash {SCRIPT} . 1 wait 2>&1 | tee RUN_METHOD_RESUME_1.log")
    job = _until_listed(vlad, tmp_path, step=1000)
    assert job["gpus"] == []
    rank = until(lambda: _rank(tmp_path), "the rank")
    gpus.hold(2, rank, 12.0)
    gpus.hold(0, 1, 1.0)
    assert _listed(vlad, tmp_path)[0]["gpus"] == [2]
    shown = vlad("ps", "--foreign").out.splitlines()
    column = shown[0].index("GPUS")
    (row,) = [line for line in shown[1:] if "RUN_METHOD_RESUME_1.log" in line]
    assert row[column:].split()[0] == "2"
    assert script.poll() is None


def test_where_no_driver_tells_no_gpu_is_claimed_to_be_free_of_a_training(
    vlad: Vlad, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = fake_gpus(tmp_path, 1, monkeypatch)
    gpus.file.write_text("no answer")
    shell(f"bash {SCRIPT} . 1 wait 2>&1 | tee RUN_METHOD_RESUME_1.log")
    assert _until_listed(vlad, tmp_path, step=1000).get("gpus") is None
