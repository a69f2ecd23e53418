"""vlad gpus: who has which GPU of this host, and who waits for some."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from vlad.commands.command import CliError, Command, add_json, print_json, say
from vlad.commands.text import Column, Ink, Tone, safe, table, terminal_columns
from vlad.host.gpu_probe import read_gpus
from vlad.host.gpu_queue import gpu_uses, ticket_of
from vlad.host.gpus import GpuHolder, GpuReading, GpusUnreadable, has_driver
from vlad.host.leases import Claim, default_lock_folder, read_claims
from vlad.host.owners import owner_of
from vlad.host.user_config import read_user_config
from vlad.policy.allocate import GpuUse, allocate, in_order, place_in_queue
from vlad.records import figures
from vlad.records.gpus import QueuePlace

FREE = "free"
GPU_COLUMNS = (
    Column(title="GPU", right=True),
    Column(title="NAME", expendable=3),
    Column(title="MEMORY", right=True),
    Column(title="BUSY", right=True, expendable=1),
    Column(title="TEMP", right=True, expendable=2),
    Column(title="HELD BY"),
)
QUEUE_COLUMNS = (
    Column(title="PLACE", right=True),
    Column(title="RUN"),
    Column(title="USER", expendable=1),
    Column(title="PRIORITY", right=True, expendable=2),
    Column(title="SINCE", right=True),
    Column(title="FOR"),
)


def _run(arguments: Namespace) -> int:
    if not has_driver():
        raise CliError("this host has no NVIDIA driver, so there are no GPUs to list; `vlad doctor` looks it over")
    settings = read_user_config().gpus
    claims = read_claims(Path(default_lock_folder(settings.lock_folder)))
    try:
        report = read_gpus()
    except GpusUnreadable as error:
        raise CliError(str(error)) from None
    uses = gpu_uses(report.gpus, claims, settings.free_below_mib * 2**20)
    queue = _queue(claims, uses)
    if arguments.json:
        gpus = [{**msgspec.to_builtins(gpu), "lease": _lease(gpu, claims)} for gpu in report.gpus]
        waiting = [{**msgspec.to_builtins(claim), "place": msgspec.to_builtins(place)} for claim, place in queue]
        print_json({"driver": report.driver, "cuda": report.cuda, "gpus": gpus, "queue": waiting})
        return 0
    ink = Ink.for_stream(sys.stdout)
    rows = [_gpu_row(gpu, use, claims, ink) for gpu, use in zip(report.gpus, uses, strict=True)]
    print(table(GPU_COLUMNS, rows, ink, terminal_columns(sys.stdout)))
    if queue:
        print()
        print(table(QUEUE_COLUMNS, [_queue_row(*one) for one in queue], ink, terminal_columns(sys.stdout)))
    else:
        say("nobody waits for a GPU")
    return 0


def _queue(claims: Sequence[Claim], uses: Sequence[GpuUse]) -> list[tuple[Claim, QueuePlace]]:
    """Those who wait, in order; one that is about to take its GPUs has no place any more."""
    waiting = {claim.run_id: claim for claim in claims if not claim.gpus}
    tickets = [ticket_of(claim) for claim in waiting.values()]
    granted = allocate(tickets, uses).granted
    return [
        (waiting[one.run_id], place_in_queue(one, tickets, uses))
        for one in in_order(tickets)
        if one.run_id not in granted
    ]


def _lease(gpu: GpuReading, claims: Sequence[Claim]) -> dict[str, Any] | None:
    held = next((claim for claim in claims if any(one.uuid == gpu.uuid for one in claim.gpus)), None)
    return None if held is None else {"run_id": held.run_id, "user": held.user}


def _gpu_row(gpu: GpuReading, use: GpuUse, claims: Sequence[Claim], ink: Ink) -> list[str]:
    memory = f"{figures.size(gpu.used_bytes)} of {figures.size(gpu.total_bytes)}" if gpu.uuid else figures.UNKNOWN
    return [
        str(gpu.index),
        gpu.name,
        memory,
        figures.percent(gpu.utilisation),
        figures.UNKNOWN if gpu.temperature_c is None else f"{gpu.temperature_c} C",
        _holder_text(gpu, use, claims, ink),
    ]


def _holder_text(gpu: GpuReading, use: GpuUse, claims: Sequence[Claim], ink: Ink) -> str:
    """The run that holds it; else, where it counts as free or not, the strangers on it."""
    if gpu.fault and not gpu.uuid:
        return ink(gpu.fault, Tone.BAD)
    fault = f"; {ink(gpu.fault, Tone.BAD)}" if gpu.fault else ""
    if lease := _lease(gpu, claims):
        return f"{lease['run_id']} ({lease['user']}){fault}"
    strangers = ", ".join(_stranger(holder) for holder in gpu.holders)
    tone = Tone.CARE if use.taken else Tone.GOOD
    return ink("used by others" if use.taken else FREE, tone) + (f": {strangers}" if strangers else "") + fault


def _stranger(holder: GpuHolder) -> str:
    """As much as this host tells: in a container the pid may be of another world."""
    who = f"{_process_text(holder.pid)}pid {holder.pid}"
    return who if holder.used_bytes is None else f"{who} ({figures.size(holder.used_bytes)})"


def _process_text(pid: int) -> str:
    owner = owner_of(pid)
    return f"{safe(owner.program)} of {owner.user}, " if owner.program else ""


def _queue_row(claim: Claim, place: QueuePlace) -> list[str]:
    since = figures.age(time.time() - claim.queued_at)
    return [str(place.position), claim.run_id, claim.user, str(claim.priority), since, place.reason]


def _add(parser: ArgumentParser) -> None:
    add_json(parser)


GPUS = Command(
    run=_run,
    add=_add,
    examples="""
    vlad gpus
    vlad gpus --json | jq '.gpus[] | select(.lease == null) | .index'
    """,
)
