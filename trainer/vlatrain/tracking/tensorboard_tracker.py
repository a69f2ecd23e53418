"""TensorBoard's event files, written by tensorboardX, which needs neither TensorFlow nor TensorBoard."""

import time
from collections.abc import Mapping

from vlatrain.tracking.tracker import TrackedRun


class TensorboardTracker:
    """One event file an attempt, in one folder a training history.

    Written at once and by this thread, not through tensorboardX's SummaryWriter: where its thread dies of a full disk,
    the queue to it fills up, and the next call never returns.
    """

    def __init__(self, run: TrackedRun) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self._event, self._summary = Event, Summary
        folder = run.folder / "tensorboard" / run.identity
        folder.mkdir(parents=True, exist_ok=True)
        # the name holds whole seconds only; two attempts within one must not share a file
        self._file = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        start = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=run.start_step + 1, session_log=start))  # voids later steps

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        values = [self._summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def _write(self, event: object) -> None:
        self._file.write_event(event)
        self._file.flush()

    def close(self, *, is_success: bool) -> None:
        self._file.close()
