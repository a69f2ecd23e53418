"""A training program without training: counts steps, saves checkpoints, resumes from them, and reports as rank 0 does.

It is told its rank as torchrun tells it. Every rank prints each step, so that a lost line of a log shows. Its
failpoints have the names of the trainer's.
"""

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import witness
from vlad.records import failpoints
from vlad.records.progress import (
    CheckpointBegun,
    CheckpointSaved,
    Evaluation,
    Finished,
    Phase,
    PhaseChange,
    Plan,
    Reason,
    RequestDone,
    Step,
)
from vlad.records.requests import Action
from vlad.report import Reporter, answer_stack_requests

RANK = int(os.environ.get("RANK", "0"))
RANKS = int(os.environ.get("WORLD_SIZE", "1"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints go")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--save-steps", type=int, default=5)
    parser.add_argument("--step-s", type=float, default=0.02)
    parser.add_argument("--until", type=Path, help="end where this file appears")
    parser.add_argument("--resume_adapter_dir", type=Path)
    parser.add_argument("--fail-at", type=int, help="exit with code 7 at this step")
    parser.add_argument("--fail-attempt", type=int, help="only in this attempt")
    parser.add_argument("--evaluate-steps", type=int, default=0)
    parser.add_argument("--loader", action="store_true", help="fork a loader worker, and start a daemon without tag")
    parser.add_argument("--ignore-stop", action="store_true", help="neither requests nor SIGTERM end it")
    parser.add_argument("--hang-at", type=int, help="at this step tell and do nothing any more, once (see --work)")
    parser.add_argument("--hang-until", type=Path, help="... until this file appears")
    parser.add_argument("--torch-loader", action="store_true", help="a loader worker of PyTorch's own")
    parser.add_argument("--gloo", action="store_true", help="let ranks wait for each other with torch.distributed")
    return parser.parse_args()


def waits_for_a_rank_that_never_comes(until: Path | None) -> None:
    while until is None or not until.exists():
        time.sleep(0.02)


class Job:
    """One rank."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        answer_stack_requests()
        self.reporter = Reporter.from_environment() if RANK == 0 else Reporter(None)
        self.has_sigterm = False
        self.has_met = False
        self.answered: set[str] = set()
        self.stop_mark = options.work / f"stop-{os.environ.get('VLAD_ATTEMPT', '1')}"
        self.step = self.resumed_step()
        if not options.ignore_stop:
            signal.signal(signal.SIGTERM, self.on_sigterm)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def on_sigterm(self, number: int, frame: object) -> None:
        self.has_sigterm = True

    def resumed_step(self) -> int:
        folder = self.options.resume_adapter_dir
        return int(json.loads((folder / "step.json").read_text())["step"]) if folder else 0

    def run(self) -> None:
        witness.sign("rank")
        failpoints.reach("rank.start")
        if self.options.loader:
            self.loader = start_loader()
            start_daemon()
        if self.options.torch_loader:
            self.batches = torch_batches()
        plan = Plan(at=time.time(), start_step=self.step, max_steps=self.options.steps, ranks=RANKS)
        self.reporter.progress(plan)
        self.reporter.progress(PhaseChange(at=time.time(), phase=Phase.TRAINING))
        while self.step < self.options.steps and not self.is_enough():
            self.one_step()
            if self.must_stop():
                failpoints.reach("rank.stopping")
                self.save()
                self.reporter.progress(Finished(at=time.time(), step=self.step, stopped=True))
                return
        self.save()
        self.reporter.progress(Finished(at=time.time(), step=self.step, reason=Reason.MAX_STEPS))

    def is_enough(self) -> bool:
        """Ranks that wait for each other agree, once they have met."""
        wanted = self.options.until is not None and self.options.until.exists()
        return self.agreed(wanted) if self.has_met else wanted and not self.options.gloo

    def one_step(self) -> None:
        time.sleep(self.options.step_s)
        self.meet()
        if self.options.loader and not has_batch(self.loader):
            raise RuntimeError("DataLoader worker exited unexpectedly")
        if self.options.torch_loader:
            next(self.batches)
        self.step += 1
        line = f"rank {RANK} step {self.step}\n".encode()
        os.write(1, line)  # whole lines, whatever the other ranks write
        witness.printed(RANK, line)
        self.reporter.progress(Step(at=time.time(), step=self.step, loss=1 / self.step))
        if self.step == self.options.fail_at and self.options.fail_attempt in (None, witness.attempt()):
            sys.exit(7)
        if self.step == self.options.hang_at:
            self.hang()
        if self.step % self.options.save_steps == 0:
            self.save()
        if RANK == 0 and self.options.evaluate_steps and self.step % self.options.evaluate_steps == 0:
            self.evaluate()

    def evaluate(self) -> None:
        self.reporter.progress(PhaseChange(at=time.time(), phase=Phase.EVALUATING))
        failpoints.reach("in_evaluation")
        rate = 100.0 * self.step / (self.step + 10)
        self.reporter.evaluation(
            Evaluation(
                at=time.time(), step=self.step, suite="counting", successes=1, episodes=2, success_rate=rate,
                low=0.0, high=100.0,
            )
        )  # fmt: skip
        failpoints.reach("after_evaluation")
        self.reporter.progress(PhaseChange(at=time.time(), phase=Phase.TRAINING))

    def hang(self) -> None:
        """In every rank, in the first attempt that comes so far."""
        mark = self.options.work / f"hung-{RANK}"
        if not mark.exists():
            mark.touch()
            waits_for_a_rank_that_never_comes(self.options.hang_until)

    def meet(self) -> None:
        if self.options.gloo:
            import torch.distributed

            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("gloo")
            torch.distributed.barrier()
            self.has_met = True

    def save(self) -> None:
        if RANK != 0:
            return
        folder = self.options.work / f"checkpoint-{self.step}"
        self.reporter.progress(CheckpointBegun(at=time.time(), step=self.step, path=str(folder)), durable=True)
        if not folder.exists():
            aside = folder.with_suffix(f".{os.getpid()}.new")
            failpoints.reach("writing_checkpoint")
            aside.mkdir()
            (aside / "step.json").write_text(json.dumps({"step": self.step, "attempt": witness.attempt()}))
            failpoints.reach("before_checkpoint_rename")
            aside.rename(folder)
            failpoints.reach("after_checkpoint_rename")
        self.reporter.progress(CheckpointSaved(at=time.time(), step=self.step, path=str(folder)), durable=True)

    def must_stop(self) -> bool:
        if self.options.ignore_stop:
            return False
        if RANK == 0 and (self.is_stop_requested() or self.has_sigterm):
            self.stop_mark.touch()
        return self.agreed(self.has_sigterm or self.stop_mark.exists())

    def agreed(self, is_wanted: bool) -> bool:
        """Ranks that wait for each other end at the same step."""
        if not self.options.gloo:
            return is_wanted
        import torch

        wanted = torch.tensor(int(is_wanted))
        torch.distributed.all_reduce(wanted, torch.distributed.ReduceOp.MAX)
        return bool(wanted)

    def is_stop_requested(self) -> bool:
        is_requested = False
        for request in self.reporter.requests():
            if request.action is Action.STOP:
                is_requested = True
            elif request.id not in self.answered:
                self.answered.add(request.id)
                self.save()
                self.reporter.progress(RequestDone(at=time.time(), request_id=request.id))
        return is_requested


def start_loader() -> socket.socket:
    """A forked worker that is asked for each batch, and outlives its rank. Returns the rank's end of the connection."""
    own, others = socket.socketpair()
    if os.fork() != 0:
        others.close()
        return own
    own.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    witness.sign("loader")
    failpoints.reach("loader.start")
    while others.recv(1):
        others.send(b".")
    signal.pause()
    os._exit(0)


def torch_batches() -> Iterator[object]:
    """From one forked worker."""
    from torch.utils.data import DataLoader, IterableDataset

    class Endless(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            return itertools.count()

    return iter(DataLoader(Endless(), num_workers=1, multiprocessing_context="fork"))


def has_batch(loader: socket.socket) -> bool:
    try:
        loader.send(b"?")
        return loader.recv(1) == b"."
    except OSError:
        return False


def start_daemon() -> None:
    """A process in a session of its own that nothing but its descent gives away."""
    none = subprocess.DEVNULL
    started = subprocess.Popen(["sleep", "600"], env={}, stdin=none, stdout=none, stderr=none, start_new_session=True)
    witness.sign("daemon", started.pid)


if __name__ == "__main__":
    Job(arguments()).run()
    if "torch" in sys.modules:
        import torch.distributed

        torch.distributed.destroy_process_group()
