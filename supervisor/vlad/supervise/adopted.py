"""A process that ran before vlad knew it: taken as the agent of a run's first attempt, with all that comes from it."""

import time

import msgspec

from vlad.host import processes
from vlad.host.processes import ProcessStat
from vlad.records.attemptdir import AttemptDirectory
from vlad.records.files import private_folder, write_new
from vlad.records.outcome import AgentClaim, ProcessIdentity
from vlad.records.spec import Adopted

LOOK_EVERY_S = 1.0


def take(attempt: AttemptDirectory, adopted: Adopted) -> ProcessIdentity:
    """Records the process as the attempt's agent, and its log as the attempt's. Starts and signals nothing."""
    private_folder(attempt.path)
    if adopted.log is not None and not attempt.console.is_symlink():
        attempt.console.symlink_to(adopted.log)
    if attempt.read_agent() is None:
        write_new(attempt.agent, msgspec.json.encode(AgentClaim(identity=adopted.agent)))
    return adopted.agent


class Family:
    """The adopted process and what it has started, remembered: after its end nothing else proves whose they were.

    Proven is who was seen below a member while that member lived. Who was never seen is never signalled.
    """

    def __init__(self, agent: ProcessIdentity) -> None:
        self._known = {agent}
        self._looked_at: float | None = None

    def look(self) -> None:
        """Remembers new members, at most once a second."""
        if self._looked_at is None or time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self.members()

    def members(self) -> list[ProcessIdentity]:
        """Everyone who lives now."""
        self._looked_at = time.monotonic()
        table = processes.all_processes()
        roots = {one.pid for one in self._known if _is_alive(one, table)}
        boot = processes.boot_id()
        found = {
            ProcessIdentity(pid=pid, start_ticks=table[pid].start_ticks, boot_id=boot)
            for pid in processes.descendants(roots, table)
            if not table[pid].is_zombie and (pid in roots or not processes.is_of_vlad(pid))
        }
        self._known |= found
        return sorted(found, key=lambda one: one.pid)


def _is_alive(identity: ProcessIdentity, table: dict[int, ProcessStat]) -> bool:
    found = table.get(identity.pid)
    same = found is not None and found.start_ticks == identity.start_ticks and identity.boot_id == processes.boot_id()
    return same and found is not None and not found.is_zombie
