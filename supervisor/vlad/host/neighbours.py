"""What else is on this host: its GPUs, and trainings that vlad did not start. Touches the host; used by one thread."""

from dataclasses import dataclass, field

from vlad.host.gpus import GpuProvider, GpuReading, GpusUnreadable, gpu_provider, has_driver
from vlad.host.owners import Owner, owner_of
from vlad.host.user_config import read_user_config
from vlad.records.files import RecordError
from vlad.records.foreign import ForeignJob
from vlad.records.outcome import ProcessIdentity
from vlad.records.rundir import Home

GPU_LOOK_S = 2.0
FOREIGN_LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class HostView:
    """The GPUs in the order of nvidia-smi (none without a driver), why they cannot be read, and foreign trainings.

    `owners` says whose each process is that has memory on a GPU, by pid.
    """

    gpus: tuple[GpuReading, ...] = ()
    gpu_failure: str = ""
    foreign: tuple[ForeignJob, ...] = ()
    owners: dict[int, Owner] = field(default_factory=dict)


NOBODY = HostView()


@dataclass(slots=True)
class NeighbourReader:
    """Looks at the host again and again. Foreign trainings are looked for less often than GPUs are read."""

    home: Home
    _provider: GpuProvider | None = None
    _adopted: dict[str, ProcessIdentity | None] = field(default_factory=dict)
    _foreign: tuple[ForeignJob, ...] = ()
    _looked_at: float = float("-inf")

    def read(self, now: float) -> HostView:
        """The host at `now`, seconds of the monotonic clock."""
        gpus, failure = self._read_gpus()
        if now - self._looked_at >= FOREIGN_LOOK_S:
            self._looked_at = now
            self._foreign = self._find_foreign(gpus)
        owners = {pid: owner_of(pid) for pid in sorted({one.pid for gpu in gpus for one in gpu.holders})}
        return HostView(gpus, failure, self._foreign, owners)

    def look_soon(self) -> None:
        """Foreign trainings are looked for at the next reading."""
        self._looked_at = float("-inf")

    def _read_gpus(self) -> tuple[tuple[GpuReading, ...], str]:
        if not has_driver():
            return (), ""
        try:
            self._provider = self._provider or gpu_provider()
            return self._provider.read().gpus, ""
        except GpusUnreadable as error:
            return (), str(error)

    def _find_foreign(self, gpus: tuple[GpuReading, ...]) -> tuple[ForeignJob, ...]:
        from vlad.host.foreign import foreign_jobs  # with every parser: not before the first look

        adopted = [who for run_id in self.home.live_ids() if (who := self._adopted_by(run_id)) is not None]
        try:
            return tuple(foreign_jobs(read_user_config().foreign, adopted, gpus))
        except (OSError, RecordError):
            return ()

    def _adopted_by(self, run_id: str) -> ProcessIdentity | None:
        """The process that a run adopted; a specification never changes, so it is read once."""
        if run_id not in self._adopted:
            try:
                adopted = self.home.run(run_id).read_spec().adopted
            except RecordError:
                return None
            self._adopted[run_id] = adopted.agent if adopted else None
        return self._adopted[run_id]
