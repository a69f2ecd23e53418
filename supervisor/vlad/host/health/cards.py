"""The GPUs: whether they can be read at all, and what is wrong with any of them."""

from collections.abc import Callable
from pathlib import Path

from vlad.host.gpus import GpuReading, GpuReport, GpusUnreadable
from vlad.host.health.finding import Finding, Level
from vlad.host.leases import default_lock_folder, prepare_lock_folder, read_claims
from vlad.records import figures
from vlad.records.files import RecordError

HOT_C = 90


def check_gpus(read: Callable[[], GpuReport]) -> list[Finding]:
    """The driver, and a finding for each card."""
    try:
        report = read()
    except GpusUnreadable as error:
        return [
            Finding(check="GPU driver", level=Level.NOTE, found=str(error), advice="without it training uses the CPU")
        ]
    driver = f"{report.driver or 'unknown'}, CUDA {report.cuda or 'unknown'}, {figures.plural(len(report.gpus), 'GPU')}"
    level = Level.OK if report.gpus else Level.WARNING
    return [Finding(check="GPU driver", level=level, found=driver), *(_card(gpu) for gpu in report.gpus)]


def _card(gpu: GpuReading) -> Finding:
    check = f"GPU {gpu.index}"
    if gpu.fault:
        advice = "see `dmesg | grep Xid`; a reset or a reboot may help, a card that does it again is broken"
        return Finding(check=check, level=Level.PROBLEM, found=f"{gpu.name} {gpu.fault}".strip(), advice=advice)
    hot = gpu.temperature_c is not None and gpu.temperature_c >= HOT_C
    celsius = "" if gpu.temperature_c is None else f", {gpu.temperature_c} C"
    found = f"{gpu.name}, {figures.size(gpu.used_bytes)} of {figures.size(gpu.total_bytes)} used{celsius}"
    advice = "it slows down: clean its fans, or limit its power" if hot else ""
    return Finding(check=check, level=Level.WARNING if hot else Level.OK, found=found, advice=advice)


def check_leases(configured: str | None) -> Finding:
    """Whether this user can lease GPUs, so that other users of the host see it."""
    folder = Path(default_lock_folder(configured))
    try:
        claims = read_claims(prepare_lock_folder(folder))
    except (OSError, RecordError) as error:
        return Finding(
            check="GPU leases", level=Level.WARNING, found=str(error),
            advice="gpus.lock_folder in vlad's config.yaml names another folder, the same for all users",
        )  # fmt: skip
    return Finding(check="GPU leases", level=Level.OK, found=f"{figures.plural(len(claims), 'claim')} in {folder}")
