"""From what is read on this host (GPUs, claims) to what is decided about (their use, tickets)."""

from collections.abc import Sequence

from vlad.host.gpus import GpuReading
from vlad.host.leases import Claim
from vlad.policy.allocate import GpuUse, Ticket


def ticket_of(claim: Claim) -> Ticket:
    return Ticket(
        run_id=claim.run_id, count=claim.count, among=claim.among, priority=claim.priority, queued_at=claim.queued_at
    )  # fmt: skip


def gpu_uses(gpus: Sequence[GpuReading], others: Sequence[Claim], free_below_bytes: int | None) -> list[GpuUse]:
    """Who has each GPU: the run that holds it, else strangers that use so much of it (None: never mind them)."""
    holders = {gpu.uuid: f"held by {one.run_id}" for one in others for gpu in one.gpus}
    found = []
    for gpu in gpus:
        is_used = free_below_bytes is not None and gpu.used_bytes >= free_below_bytes
        strangers = "out of order" if not gpu.uuid else "used by others" if is_used else ""
        found.append(GpuUse(uuid=gpu.uuid, index=gpu.index, taken=holders.get(gpu.uuid, strangers)))
    return found
