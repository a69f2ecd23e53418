"""Numbers and times as people read them: short, aligned, never more precise than they are."""

UNKNOWN = "-"
MINUTE, HOUR, DAY = 60, 3600, 86400


def age(seconds: float | None) -> str:
    """One unit, at most four characters: 42s, 12m, 3h, 5d."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0, int(seconds))
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def duration(seconds: float | None) -> str:
    """Two units: 42s, 3m 20s, 2h 05m, 3d 4h."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0, round(seconds))
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m {seconds % MINUTE:02d}s"
    if seconds < DAY:
        return f"{seconds // HOUR}h {seconds % HOUR // MINUTE:02d}m"
    return f"{seconds // DAY}d {seconds % DAY // HOUR}h"


def number(value: float | None) -> str:
    """Four significant digits, at most eight characters; scientific where that would lie about the size."""
    if value is None:
        return UNKNOWN
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10:
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"
    if 10 <= abs(value) < 100_000:
        return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"
    return scientific(value)


def scientific(value: float) -> str:
    """2e-4 rather than 2.0e-04."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def percent(value: float | None) -> str:
    """Whole percents, one decimal where it says something: 84%, 12.5%."""
    if value is None:
        return UNKNOWN
    rounded = f"{value:.1f}".removesuffix(".0")
    return f"{rounded}%"


def count(value: int | None) -> str:
    """Thousands apart: 12,345."""
    return UNKNOWN if value is None else f"{value:,}"


def size(size_bytes: float | None) -> str:
    """Binary units: 812 B, 1.5 MiB, 23.0 GiB."""
    if size_bytes is None:
        return UNKNOWN
    if abs(size_bytes) < 1024:
        return f"{size_bytes:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size_bytes /= 1024
        if abs(size_bytes) < 1024:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} TiB"


def terminal(tty: str | None) -> str:
    """pts/3 for /dev/pts/3; a run that was started without a terminal is detached."""
    return tty.removeprefix("/dev/") if tty else "detached"


def plural(number_of: int, thing: str) -> str:
    """1 step, 2 steps."""
    return f"{number_of:,} {thing}" + ("" if number_of == 1 else "s")
