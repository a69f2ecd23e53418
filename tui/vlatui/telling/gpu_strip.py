"""The strip of GPUs as lines: how busy and how full each is and was, and who holds it. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vlad.host.gpus import GpuReading
from vlad.host.neighbours import HostView
from vlad.records import figures
from vlad.records.gpus import FREE_BELOW_BYTES
from vlad.records.home_view import HomeView

from vlatui.look.scales import SPARKS
from vlatui.look.tones import Line, Span, Tone, fitted
from vlatui.look.words import tr

HISTORY = 12
CELLS_OF_HISTORY = ((100, HISTORY), (60, 8), (0, 4))
"""The room of a GPU's line, and how many cells each of its two histories takes of that."""
LEAST_WIDTH = 60
NEARLY_FULL = 95
MOST_NAMED = 3
GIB = 2**30


class Load(NamedTuple):
    """A GPU at one moment: how busy it is, and how much of its memory is taken, in percent."""

    busy: int
    full: int


def load_of(gpu: GpuReading) -> Load:
    return Load(gpu.utilisation or 0, round(100 * gpu.used_bytes / gpu.total_bytes) if gpu.total_bytes else 0)


def gpu_lines(
    host: HostView, home: HomeView, history: Mapping[int, Sequence[Load]], width: int, most: int
) -> list[Line]:
    """A line a GPU, two side by side where there is room; at most `most` lines."""
    if host.gpu_failure:
        return [[Span("GPU  ", Tone.MUTED), Span(host.gpu_failure, Tone.WARN)]]
    across = 2 if width >= 2 * LEAST_WIDTH and len(host.gpus) > 1 else 1
    room = (width - 2 * (across - 1)) // across
    cells = [fitted(_gpu(gpu, host, home, history.get(gpu.index, ()), room), room) for gpu in host.gpus]
    rows = [cells[at : at + across] for at in range(0, len(cells), across)]
    lines = [[*row[0], *(span for other in row[1:] for span in (Span("  "), *other))] for row in rows]
    if len(lines) > most:
        left_out = (len(lines) - most + 1) * across
        return (
            [*lines[: most - 1], [Span(tr("and {count} more: vlad gpus", count=left_out), Tone.MUTED)]]
            if most > 0
            else []
        )
    return lines


def _gpu(gpu: GpuReading, host: HostView, home: HomeView, history: Sequence[Load], room: int) -> Line:
    if gpu.fault:
        return [Span(f"GPU {gpu.index} ", Tone.MUTED), Span(gpu.fault, Tone.BAD)]
    busy = figures.UNKNOWN if gpu.utilisation is None else f"{gpu.utilisation}%"
    memory = f"{gpu.used_bytes / GIB:4.1f}/{gpu.total_bytes / GIB:.0f} GiB"
    heat = f"{gpu.temperature_c}°" if gpu.temperature_c is not None else ""
    cells = next(cells for least, cells in CELLS_OF_HISTORY if room >= least)
    return [
        Span(f"GPU {gpu.index} ", Tone.MUTED),
        Span(load_spark([load.busy for load in history], cells), Tone.TREND),
        Span(f"{busy:>5} ", Tone.STRONG),
        Span(
            load_spark([load.full for load in history], cells),
            Tone.WARN if load_of(gpu).full > NEARLY_FULL else Tone.ACCENT,
        ),
        Span(f" {memory} {heat:>4}  ", Tone.MUTED),
        *held_by(gpu, host, home),
    ]


def load_spark(percents: Sequence[int], cells: int = HISTORY) -> str:
    """The last of them as bars from 0 to 100 percent, always as wide."""
    return "".join(SPARKS[min(7, value * 8 // 101)] for value in percents[-cells:]).rjust(cells)


def held_by(gpu: GpuReading, host: HostView, home: HomeView) -> list[Span]:
    """Who has a GPU: the run that leases it, then whoever else has memory there, else nobody."""
    names: dict[str, Tone] = {}
    for run in home.live:
        if any(leased.uuid == gpu.uuid for leased in run.record.gpus):
            names[run.record.name] = Tone.GOOD
    for one in gpu.holders:
        names.setdefault(*_who(one.pid, host, home))
    if not names:  # in a container those of others cannot be seen, only their memory
        is_used = gpu.used_bytes >= FREE_BELOW_BYTES
        return [Span(tr("used by others"), Tone.WARN) if is_used else Span(tr("free"), Tone.FAINT)]
    shown = list(names.items())[:MOST_NAMED]
    spans = [span for name, tone in shown for span in (Span(", ", Tone.MUTED), Span(name, tone))][1:]
    more = len(names) - len(shown)
    return [*spans, Span(f" +{more}", Tone.MUTED)] if more else spans


def _who(pid: int, host: HostView, home: HomeView) -> tuple[str, Tone]:
    """Whose a process is: a run's, of a training that vlad did not start, or somebody's."""
    owner = host.owners.get(pid)
    if owner is not None and owner.run_id:
        run = home.find(owner.run_id)
        return (run.record.name if run else owner.run_id), Tone.GOOD
    if job := next((job for job in host.foreign if pid in job.pids), None):
        return tr("process {pid}, not vlad's", pid=job.process.pid), Tone.WARN
    if owner is not None and owner.program:
        return tr("{program} of {user}, pid {pid}", program=owner.program, user=owner.user, pid=pid), Tone.WARN
    return tr("process {pid}", pid=pid), Tone.WARN
