"""How hard to stop a run, and when to try harder."""

from vlad.records.run import StopRung
from vlad.records.spec import Kind, StopLadder


def first_rung(kind: Kind, *, stop_now: bool) -> StopRung:
    """A trainer is asked to save and end; a foreign command, or a run to be stopped now, gets SIGTERM at once."""
    return StopRung.REQUEST if kind is Kind.TRAIN and not stop_now else StopRung.TERM


def grace_s(ladder: StopLadder, rung: StopRung) -> float:
    """How long a run may take to end before the next rung."""
    match rung:
        case StopRung.REQUEST:
            return ladder.request_grace_s
        case StopRung.TERM:
            return ladder.term_grace_s
        case StopRung.KILL:
            return ladder.kill_grace_s


def next_rung(ladder: StopLadder, rung: StopRung, elapsed_s: float, *, stop_now: bool) -> StopRung | None:
    """The rung to go to after `elapsed_s` on `rung`; None for staying."""
    match rung:
        case StopRung.REQUEST:
            return StopRung.TERM if stop_now or elapsed_s >= ladder.request_grace_s else None
        case StopRung.TERM:
            return StopRung.KILL if elapsed_s >= ladder.term_grace_s else None
        case StopRung.KILL:
            return None


def sweep_rung(ladder: StopLadder, elapsed_s: float) -> StopRung | None:
    """How to end what an ended attempt left behind; None for giving up on processes that even SIGKILL does not end."""
    if elapsed_s < ladder.term_grace_s:
        return StopRung.TERM
    return StopRung.KILL if elapsed_s < ladder.term_grace_s + ladder.kill_grace_s else None
