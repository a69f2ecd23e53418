"""Climbs the stop ladder: asks, terminates, kills, each rung on record with its grace time."""

from vlad.policy.stop import grace_s, next_rung
from vlad.records import failpoints
from vlad.records.run import RungReached, StopRung
from vlad.records.spec import StopLadder
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.job import Job
from vlad.supervise.timer import Timer


class Ladder:
    """Where the attempt is to end. Which rung is reached is in the journal; which was acted on is known here."""

    def __init__(self, ladder: StopLadder, chronicle: Chronicle, job: Job, timer: Timer) -> None:
        self._ladder = ladder
        self._chronicle = chronicle
        self._job = job
        self._timer = timer
        self._acted_on: StopRung | None = None

    def stand_at_foot(self) -> None:
        """For a new attempt."""
        self._acted_on = None

    def climb(self, first: StopRung, *, stop_now: bool) -> None:
        """One rung where it is time; the last one is gone on with until nothing is left."""
        record = self._chronicle.record
        if record.rung is None:
            self._reach(first)
            return
        elapsed_s = self._timer.elapsed_s(record.rung_at or 0.0)
        higher = next_rung(self._ladder, record.rung, elapsed_s, stop_now=stop_now)
        if higher is not None:
            self._reach(higher)
        elif record.rung is StopRung.KILL:
            self._job.kill()

    def _reach(self, rung: StopRung) -> None:
        """Acts, then journals: a kill in between makes the next supervisor act again, and a full disk stops no stop."""
        if self._acted_on is not rung:
            self._act_on(rung)
            self._acted_on = rung
        failpoints.reach(f"rung.{rung}")
        grace = grace_s(self._ladder, rung)
        self._chronicle.append(RungReached(**self._chronicle.stamp(), rung=rung, grace_s=grace))

    def _act_on(self, rung: StopRung) -> None:
        match rung:
            case StopRung.REQUEST:
                self._job.ask_to_stop()
            case StopRung.TERM:
                self._job.terminate()
            case StopRung.KILL:
                self._job.kill()
