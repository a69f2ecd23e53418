"""Homes of runs as their programs leave them on disk: real record files, frozen times, no processes."""

import math
from pathlib import Path
from typing import Any

import msgspec
from vlad.records.files import JournalWriter
from vlad.records.outcome import Cause, Diagnosis, Evidence, Exit, ProcessIdentity
from vlad.records.progress import (
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    ProgressLine,
    Reason,
    Step,
    TaskEvaluated,
    TaskResult,
    Warned,
)
from vlad.records.run import (
    AgentStarted,
    AnyEvent,
    AttemptEnded,
    AttemptStarted,
    Created,
    Moved,
    RunRecord,
    State,
    fold,
)
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import ConfigValue, Kind, RunSpec

NOW = 1_795_340_000.0
HOST = "gpubox"
BOOT = "00000000-0000-0000-0000-000000000000"
TASKS = ("put the red block in the green bowl", "put the blue block in the red bowl", "stack the green block")


def nobody(pid: int) -> ProcessIdentity:
    """A process of an earlier boot: certainly not alive."""
    return ProcessIdentity(pid=pid, start_ticks=1, boot_id=BOOT)


class FakeRun:
    """Writes the files of one run; every event goes through the real fold."""

    def __init__(
        self, home: Home, run_id: str, *, age_s: float, nproc: int = 2, tty: str | None = None,
        part_of: str | None = None,
    ) -> None:  # fmt: skip
        name = run_id.split("-", 2)[2].rsplit("-", 1)[0]
        self.directory = home.run(run_id)
        self.directory.path.mkdir(parents=True)
        self.started_at = NOW - age_s
        self._at = self.started_at
        self._seq = 0
        self._record: RunRecord | None = None
        home.mark_live(run_id)
        self.event(Created, run_id=run_id, name=name, nproc=nproc, host=HOST, tty=tty, cwd="/work/vla", part_of=part_of)
        self.spec(run_id, name, part_of)

    def spec(self, run_id: str, name: str, part_of: str | None = None) -> None:
        values = {
            "dataset_name": ConfigValue(value=name, origin="configs/demo.yaml"),
            "batch_size": ConfigValue(value=16, origin="profile 4090_1gpu"),
            "learning_rate": ConfigValue(value=0.0005, origin="command line"),
            "lora_rank": ConfigValue(value=32, origin="default"),
            "image_aug": ConfigValue(value=True, origin="default"),
            "run_id_note": ConfigValue(value=None, origin="default"),
        }
        spec = RunSpec(
            run_id=run_id, name=name, kind=Kind.TRAIN, argv=("torchrun", "-m", "vlatrain", "spec.json"), config=values,
            cwd="/work/vla", created_at=self.started_at, created_by="ada", host=HOST, config_file="configs/demo.yaml",
            part_of=part_of,
        )  # fmt: skip
        self.directory.spec.write_bytes(msgspec.json.encode(spec))

    def event(self, kind: type[AnyEvent], after_s: float = 1.0, **fields: Any) -> None:
        self._seq += 1
        event = kind(seq=self._seq, at=self._at, **fields)
        self._at += after_s
        self._append(self.directory.events, event)
        self._record = fold(self._record, event)
        self.directory.write_record(self._record)

    def _append(self, path: Path, line: msgspec.Struct) -> None:
        writer = JournalWriter(path)
        writer.append(msgspec.json.encode(line), durable=False)
        writer.close()

    def progress(self, *lines: ProgressLine) -> None:
        with self.directory.progress.open("ab") as file:
            file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def evaluation(
        self, step: int, successes: int, episodes: int, best: float, bad: int, *, at: float, checkpoint: str = "",
        videos: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        rate = 100 * successes / episodes
        low, high = wilson(successes, episodes)
        shares = [successes * (index + 1) // 3 - successes * index // 3 for index in range(3)]
        tasks = tuple(
            TaskResult(task=task, successes=share, episodes=episodes // 3 + 1)
            for task, share in zip(TASKS, shares, strict=True)
        )
        self._append(
            self.directory.evaluations,
            Evaluation(
                at=at, step=step, suite="tabletop_new", successes=successes, episodes=episodes, success_rate=rate,
                low=low, high=high, tasks=tasks, improved=bad == 0, best=best, best_step=step if bad == 0 else None,
                bad_evaluations=bad, patience=5, duration_s=21.0, log=f"/work/vla/eval_logs/EVAL-step{step}.txt",
                checkpoint=checkpoint or f"/work/vla/adapters/demo--{step}_chkpt", videos=videos,
            ),
        )  # fmt: skip

    def arriving_task(self, step: int, *, successes: int, episodes: int, at: float) -> None:
        """A task of an evaluation that goes on."""
        self.progress(TaskEvaluated(at=at, step=step, suite="s", task=TASKS[0], successes=successes, episodes=episodes))

    def attempt(self, number: int = 1, *, pid: int = 4242) -> None:
        self.event(AttemptStarted, number=number, argv=("torchrun",))
        self.event(AgentStarted, number=number, agent=nobody(pid))

    def log(self, content: bytes, attempt: int = 1) -> Path:
        console = self.directory.attempt(attempt).console
        console.parent.mkdir(parents=True, exist_ok=True)
        with console.open("ab") as file:
            file.write(content)
        return console

    def steps(self, first: int, last: int, *, attempt: int = 1, seconds: float = 0.4) -> None:
        """Step lines whose loss falls; the last one is reported now."""
        self.progress(
            *(
                Step(
                    at=NOW - (last - step) * seconds, attempt=attempt, step=step, loss=falling_loss(step),
                    learning_rate=5e-4, samples_per_s=80.0, step_s=seconds, memory_bytes=1_300_000_000,
                    epoch=step / 200, metrics={"accuracy": 1 - 1 / (1 + step / 60)},
                )
                for step in range(first, last + 1)
            )
        )  # fmt: skip

    def succeed(self) -> None:
        """Goes through all its states at once."""
        for state in (State.STARTING, State.RUNNING, State.SUCCEEDED):
            self.event(Moved, state=state)
        self.end()

    def end(self) -> None:
        self.directory.home.mark_ended(self.directory.run_id)


def falling_loss(step: int) -> float:
    """A curve that falls and trembles, the same every time."""
    return 2.4 * math.exp(-step / 130) + 0.18 + 0.06 * math.sin(step * 1.7) * math.exp(-step / 400)


def wilson(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % Wilson interval in percent."""
    z, share = 1.96, successes / episodes
    middle = share + z * z / (2 * episodes)
    reach = z * math.sqrt(share * (1 - share) / episodes + z * z / (4 * episodes**2))
    scale = 1 + z * z / episodes
    return 100 * max(0.0, (middle - reach) / scale), 100 * min(1.0, (middle + reach) / scale)


def training_run(home: Home) -> FakeRun:
    """Two ranks in the middle of their training, 315 of 500 steps, six evaluations."""
    run = FakeRun(home, "20261122-0931-tabletop_demo-7f3a", age_s=790, tty="/dev/pts/3")
    run.event(Moved, state=State.STARTING, why="asked for")
    run.attempt()
    run.event(Moved, state=State.RUNNING, why="the program reports")
    run.progress(
        Plan(at=NOW - 300, max_steps=500, save_steps=25, eval_every_steps=50, patience=5, ranks=2, suite="tabletop_new")
    )
    run.steps(1, 300)
    best = 0.0
    for number, successes in enumerate((2, 7, 16, 29, 41, 40, 42)):
        rate = 100 * successes / 50
        improved = rate > best
        best = max(best, rate)
        run.evaluation(number * 50, successes, 50, best, 0 if improved else 1, at=NOW - 300 + number * 40)
    run.progress(CheckpointSaved(at=NOW - 7, step=300, path="/work/vla/adapters/demo--300_chkpt", is_best=True))
    run.steps(301, 315)
    lines = [f"\x1b[32mINFO\x1b[0m step {step} loss {falling_loss(step):.4f} sec/step 0.40" for step in range(1, 316)]
    run.log("\n".join(lines).encode() + b"\n")
    return run


def evaluating_run(home: Home) -> FakeRun:
    """Eight ranks that evaluate, started from nowhere."""
    run = FakeRun(home, "20261122-0800-libero_spatial-method-01ab", age_s=6300, nproc=8)
    run.event(Moved, state=State.STARTING)
    run.attempt()
    run.event(Moved, state=State.RUNNING)
    run.progress(Plan(at=NOW - 6000, max_steps=10_000, save_steps=1000, eval_every_steps=1000, patience=5, ranks=8))
    run.steps(2960, 3000, seconds=1.9)
    run.evaluation(1000, 21, 100, 21.0, 0, at=NOW - 4000)
    run.evaluation(2000, 58, 100, 58.0, 0, at=NOW - 2000)
    run.progress(
        PhaseChange(at=NOW - 45, phase=Phase.EVALUATING, step=3000, done=0, total=100, detail="episodes"),
        PhaseChange(at=NOW - 45, phase=Phase.EVALUATING, step=3000, done=37, total=100, detail="episodes"),
        Warned(at=NOW - 44, message="min_delta 0.1 is below what 100 episodes can tell apart"),
    )
    run.log(b"[train] step 3000 loss 0.2113\n[eval] 37/100 episodes\n")
    return run


def restarting_run(home: Home) -> FakeRun:
    """Lost its rank 1 and waits to be restarted."""
    run = FakeRun(home, "20261122-0700-libero_goal-c0de", age_s=9000, nproc=4, tty="/dev/pts/7")
    run.event(Moved, state=State.STARTING)
    run.attempt()
    run.event(Moved, state=State.RUNNING)
    run.progress(Plan(at=NOW - 800, max_steps=2000, save_steps=100, ranks=4))
    run.steps(380, 410, seconds=1.0)
    lost = Diagnosis(
        cause=Cause.KILLED, summary="rank 1 was killed by signal 9", confidence="unknown", rank=1,
        evidence=(Evidence(file="attempts/1/console.log", offset=812, text="exitcode : -9 (pid: 4711)"),),
        advice="If nobody killed it, look at the memory of the host.",
    )  # fmt: skip
    run.event(
        AttemptEnded, number=1, exit=Exit(at=NOW - 20, signal=9), end_step=410, checkpoint_step=400, diagnosis=lost
    )
    run.event(Moved, state=State.BACKOFF, why="rank 1 was killed by signal 9", restart_at=NOW + 17)
    run.log(b"[train] step 410 loss 0.32\nSignal 9 (SIGKILL) received by PID 4711\n")
    return run


def failed_run(home: Home) -> FakeRun:
    """Out of GPU memory, and nobody retries."""
    run = FakeRun(home, "20261121-2210-libero_object-dead", age_s=41_000, nproc=1, tty="/dev/pts/1")
    run.event(Moved, state=State.STARTING)
    run.attempt()
    run.event(Moved, state=State.RUNNING)
    run.progress(Plan(at=NOW - 40_000, max_steps=5000, save_steps=500, ranks=1, patience=5))
    run.steps(1, 12, seconds=2.0)
    told = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 23.65 GiB of which 312 MiB"
    )
    cause = Diagnosis(
        cause=Cause.CUDA_OUT_OF_MEMORY, summary="the GPU had no room for 2.00 GiB more", confidence="certain", rank=0,
        evidence=(Evidence(file="attempts/1/console.log", offset=1204, text=told),),
        advice="Lower batch_size and raise grad_accumulation_steps by the same factor, or take another GPU.",
    )  # fmt: skip
    run.event(AttemptEnded, number=1, exit=Exit(at=NOW - 39_000, code=1), end_step=12, diagnosis=cause)
    run.event(Moved, state=State.FAILED, why="CUDA out of memory is not retried")
    run.log(b"[train] step 12 loss 1.9\nTraceback (most recent call last):\n  File ...\n" + told.encode() + b"\n")
    run.end()
    return run


def succeeded_run(home: Home) -> FakeRun:
    """Stopped early after its best evaluation."""
    run = FakeRun(home, "20261121-1805-tabletop_demo-beef", age_s=56_000)
    run.event(Moved, state=State.STARTING)
    run.attempt()
    run.event(Moved, state=State.RUNNING)
    run.progress(Plan(at=NOW - 55_000, max_steps=400, save_steps=50, eval_every_steps=50, patience=5, ranks=2))
    run.steps(1, 400)
    run.evaluation(300, 44, 50, 88.0, 0, at=NOW - 54_000)
    run.evaluation(350, 43, 50, 88.0, 5, at=NOW - 53_500)
    run.progress(Finished(at=NOW - 53_000, step=400, reason=Reason.EARLY_STOP))
    run.event(AttemptEnded, number=1, exit=Exit(at=NOW - 53_000, code=0), end_step=400, checkpoint_step=400)
    run.event(Moved, state=State.SUCCEEDED, reason=Reason.EARLY_STOP)
    run.log(b"Early stopping at step 400\n")
    run.end()
    return run


def stopped_run(home: Home) -> FakeRun:
    run = FakeRun(home, "20261120-0900-libero_long-aaaa", age_s=180_000, nproc=1)
    run.event(Moved, state=State.STARTING)
    run.attempt()
    run.event(Moved, state=State.RUNNING)
    run.event(Moved, state=State.STOPPING)
    run.event(Moved, state=State.STOPPED, why="asked for by ada")
    run.log(b"stopped at step 77\n")
    run.end()
    return run


def many_states(home: Home) -> dict[str, RunDirectory]:
    """A home with a run in every interesting state; the directories by short name."""
    home.prepare()
    made = {
        "stopped": stopped_run(home), "succeeded": succeeded_run(home), "failed": failed_run(home),
        "restarting": restarting_run(home), "evaluating": evaluating_run(home), "training": training_run(home),
    }  # fmt: skip
    return {name: run.directory for name, run in made.items()}
