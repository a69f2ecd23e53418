"""What is known about a failed attempt before it is explained: values that evidence gathers and diagnosis reads."""

from collections.abc import Iterator
from dataclasses import dataclass

from vlad.policy.kernel_messages import KernelMessage
from vlad.records.run import Exit
from vlad.records.spec import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A part of a file: `content` begins at byte `start` of `file` (relative to the run directory, or absolute)."""

    file: str
    start: int = 0
    content: bytes = b""

    def lines(self) -> Iterator[tuple[int, str]]:
        """Each line with its byte offset in the file. A first line that the excerpt cut in two is left out."""
        offset = self.start
        for number, line in enumerate(self.content.split(b"\n")):
            if number or not self.start:
                yield offset, line.decode("utf-8", "replace").rstrip("\r")
            offset += len(line) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RankError:
    """A torchelastic error file: what one rank raised, and when (Unix seconds)."""

    rank: int
    at: float
    message: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that ended, with everything that may tell why; `kernel` is what the kernel has said
    of kills and GPUs meanwhile, None where its log may not be read.
    """

    exit: Exit
    kind: Kind
    console: Excerpt
    rank_errors: tuple[RankError, ...] = ()
    agent_pid: int | None = None
    kernel: tuple[KernelMessage, ...] | None = None
    exit_file: str = "exit.json"
