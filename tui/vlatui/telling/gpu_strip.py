"""The strip of GPUs as lines: how busy and how full each is, and who holds it. Pure."""

from collections.abc import Mapping, Sequence

from vlad.host.gpus import GpuReading
from vlad.host.neighbours import HostView
from vlad.records import figures
from vlad.records.home_view import HomeView

from vlatui.look import bars
from vlatui.look.scales import SPARKS
from vlatui.look.tones import Line, Span, Tone, fitted
from vlatui.look.words import tr

HISTORY = 12
BAR = 10
LEAST_WIDTH = 60
GIB = 2**30


def gpu_lines(
    host: HostView, home: HomeView, history: Mapping[int, Sequence[int]], width: int, most: int
) -> list[Line]:
    """A line a GPU, two side by side where there is room; at most `most` lines."""
    if host.gpu_failure:
        return [[Span("GPU  ", Tone.MUTED), Span(host.gpu_failure, Tone.WARN)]]
    across = 2 if width >= 2 * LEAST_WIDTH and len(host.gpus) > 1 else 1
    room = (width - 2 * (across - 1)) // across
    cells = [fitted(_gpu(gpu, holder(gpu, host, home), history.get(gpu.index, ())), room) for gpu in host.gpus]
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


def _gpu(gpu: GpuReading, held_by: Span, history: Sequence[int]) -> Line:
    if gpu.fault:
        return [Span(f"GPU {gpu.index} ", Tone.MUTED), Span(gpu.fault, Tone.BAD)]
    part = gpu.used_bytes / gpu.total_bytes if gpu.total_bytes else 0.0
    busy = figures.UNKNOWN if gpu.utilisation is None else f"{gpu.utilisation}%"
    memory = f"{gpu.used_bytes / GIB:4.1f}/{gpu.total_bytes / GIB:.0f} GiB"
    heat = f"{gpu.temperature_c}°" if gpu.temperature_c is not None else ""
    return [
        Span(f"GPU {gpu.index} ", Tone.MUTED),
        Span(load_spark(history), Tone.TREND),
        Span(f"{busy:>5} ", Tone.STRONG),
        *bars.progress_bar(part, BAR, Tone.WARN if part > 0.95 else Tone.ACCENT),
        Span(f" {memory} {heat:>4}  ", Tone.MUTED),
        held_by,
    ]


def load_spark(history: Sequence[int]) -> str:
    """The last utilisations as bars from 0 to 100 percent, always as wide."""
    newest = history[-HISTORY:]
    return "".join(SPARKS[min(7, value * 8 // 101)] for value in newest).rjust(HISTORY)


def holder(gpu: GpuReading, host: HostView, home: HomeView) -> Span:
    """Who has a GPU: the run that leases it, a foreign training, other processes, or nobody."""
    for run in home.live:
        if any(leased.uuid == gpu.uuid for leased in run.record.gpus):
            return Span(run.record.name, Tone.GOOD)
    pids = {one.pid for one in gpu.holders}
    for job in host.foreign:
        if pids & set(job.pids):
            return Span(tr("process {pid}, not vlad's", pid=job.process.pid), Tone.WARN)
    if pids:
        return Span(tr("process {pid}", pid=", ".join(map(str, sorted(pids)[:3]))), Tone.WARN)
    return Span(tr("free"), Tone.FAINT)
