"""What torchrun tells at its end about the ranks that failed. Pure."""

import re
from dataclasses import dataclass

from vlad.policy.failure import Excerpt

_AGENT_FAILURE = re.compile(rb"^ *rank +: (\d+) .*\n *exitcode +: (-?\d+) \(pid: (\d+)\).*$", re.MULTILINE)
_PID = re.compile(rb"\(pid(?:\(s\))?:? (\d+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankExit:
    """A line pair of torchrun's closing report."""

    rank: int
    code: int
    pid: int
    offset: int
    text: str


def rank_exits(console: Excerpt) -> list[RankExit]:
    """Failed ranks as torchrun reports them at its end, the root first: it writes that one last."""
    found = [
        RankExit(
            rank=int(match[1]),
            code=int(match[2]),
            pid=int(match[3]),
            offset=console.start + match.start(),
            text=_text(match[0]),
        )
        for match in _AGENT_FAILURE.finditer(console.content)
    ]
    return found[::-1]


def _text(raw: bytes) -> str:
    return " ".join(raw.decode("utf-8", "replace").split())


def pids_told(console: Excerpt) -> set[int]:
    """The processes that torchrun and PyTorch's loader name."""
    return {int(pid) for pid in _PID.findall(console.content)}
