"""One simulator worker as a process: started, asked, listened to, given up."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vlatrain.errors import TrainerError
from vlatrain.sim.protocol import SHELF, ChannelClosed, Frames, Layout, Message, channel_pair

PATIENCE_S: Mapping[str, float] = {
    "ready": 300.0, "start": 300.0, "act": 60.0, "demonstrate": 900.0, "render": 900.0,
}  # fmt: skip
"""How long an answer may take before its worker counts as hung. Starting compiles code and may wait for cores."""
DRAWING = {"LP_NUM_THREADS": "0"}
"""Mesa draws a worker's pictures in its own thread: workers are as many as cores, and threads of theirs in each other's
way. What the user has set stays."""
LOG_TAIL_BYTES = 4096
NOISE = ("Exception ignored", "EGLError", "[robosuite", "[info]", "[Warning]")


class SimulatorError(TrainerError):
    """No simulator can be had; the message is one line."""


class WorkerLost(Exception):
    """A worker crashed or hung; the message says which and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerProgram:
    """What to start as a worker. `environments` are additions for the workers in turn (a GPU each)."""

    argv: tuple[str, ...]
    layout: Layout
    environments: tuple[Mapping[str, str], ...] = ({},)
    patience_s: Mapping[str, float] = field(default_factory=lambda: PATIENCE_S)
    shared_scenes: int = 0
    """How many compiled scenes the workers of a pool share, no more than there are workers; 0.1 to 0.3 GB each"""


class SimulatorWorker:
    """One process, from start to end; answers at most one request at a time."""

    def __init__(self, program: WorkerProgram, number: int, shelf: Sequence[int] = ()) -> None:
        self.number = number
        self.versions: dict[str, str] = {}
        self.is_ready = False
        self.waits_for: str | None = "ready"
        self._program = program
        self._shelf = tuple(shelf)
        self._asked_at = time.monotonic()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the worker is
        memory = os.memfd_create("vlatrain-simulator")
        os.ftruncate(memory, program.layout.size_bytes)
        self.frames = Frames(memory, program.layout)
        self.channel, theirs = channel_pair()
        with theirs:
            self._process = self._started(memory, theirs.fileno())
        os.close(memory)

    def _started(self, memory: int, socket: int) -> subprocess.Popen[bytes]:
        words = ["--socket", str(socket), "--memory", str(memory), "--layout", self._program.layout.to_text()]
        more = self._program.environments[self.number % len(self._program.environments)]
        try:
            return subprocess.Popen(
                [*self._program.argv, *words],
                env={**DRAWING, **os.environ, **more, SHELF: ",".join(map(str, self._shelf))},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(memory, socket, *self._shelf),
            )
        except OSError as error:
            raise SimulatorError(f"{self._program.argv[0]} cannot be run: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Message) -> None:
        """Hands a request over. A worker that is gone is found out when its answer is fetched."""
        assert self.waits_for is None, f"worker {self.number} still owes an answer"
        self.waits_for, self._asked_at = request["do"], time.monotonic()
        try:
            self.channel.send(request)
        except ChannelClosed:
            return

    @property
    def deadline(self) -> float:
        """When it counts as hung; infinity while nothing is asked of it."""
        return float("inf") if self.waits_for is None else self._asked_at + self._program.patience_s[self.waits_for]

    def fetch(self) -> Message:
        """The answer that has arrived. Raises WorkerLost where the process is gone, SimulatorError where it refuses."""
        try:
            answer = self.channel.receive()
        except ChannelClosed as error:
            raise WorkerLost(f"crashed: {self._last_words()}") from error
        if answer["is"] == "refused":
            raise SimulatorError(answer["reason"])
        if answer["is"] == "ready":
            self.is_ready, self.versions = True, answer["versions"]
        self.waits_for = None
        return answer

    def hung(self) -> WorkerLost:
        """What to say of a worker that is past its deadline."""
        return WorkerLost(f"hung: no answer to {self.waits_for} for {time.monotonic() - self._asked_at:.0f} s")

    def _last_words(self) -> str:
        """How the process ended, and the last line of its log that says something."""
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "closed its socket and goes on"
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL_BYTES))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(NOISE)]
        return f"{told[-1] if told else 'without a word'} ({_ending(status)})"

    def end(self) -> None:
        """Ends the process, whatever it does, and frees what it held."""
        self.channel.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
