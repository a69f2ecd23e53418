"""Times that people ask for and times that lines of a log carry, both as Unix seconds. Pure but for the time zone."""

import re
import time
from datetime import datetime, timedelta

DAY_S = 86_400.0
UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}

_AGO = re.compile(r"-\s*((?:\d+(?:\.\d+)?\s*[smhd]\s*)+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_CLOCK = re.compile(r"(?:(?:(\d{4})-)?(\d{1,2})-(\d{1,2})[ T])?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_STAMP = re.compile(
    r"(?<!\d)(?:(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)"
    r"|(?P<us_month>\d\d)/(?P<us_day>\d\d)/(?P<us_year>\d{4}))"
    r"(?:[T ]|, ?| - )(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9}))?\s?(?P<zone>Z|[+-]\d\d:?\d\d)?(?!\d)"
)
_GLOG = re.compile(r"\b[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,6})\b")
_STEP = re.compile(r"\bstep\W{0,3}(\d+)\b", re.IGNORECASE)
STAMP_WITHIN = 400
"""Characters of a line in which its time is looked for."""


def moment_of(wish: str, now: float) -> float | None:
    """`-10m`, `-1h30m`, `14:30`, `14:30:05`, `11-22 14:30` or `2026-11-22 14:30`; None for anything else.

    Of a time without a date, or without a year, the last one that is not after `now` is meant.
    """
    wish = wish.strip()
    if ago := _AGO.fullmatch(wish):
        return now - sum(float(count) * UNITS_S[unit] for count, unit in _PART.findall(ago[1]))
    if (clock := _CLOCK.fullmatch(wish)) is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in clock.groups())
    today = datetime.fromtimestamp(now)
    try:
        wanted = today.replace(
            year=year or today.year, month=month or today.month, day=day or today.day, hour=hour or 0,
            minute=minute or 0, second=second or 0, microsecond=0,
        )  # fmt: skip
        if wanted.timestamp() > now and month is None:
            wanted -= timedelta(days=1)
        elif wanted.timestamp() > now and year is None:
            wanted = wanted.replace(year=wanted.year - 1)
        return wanted.timestamp()
    except (ValueError, OverflowError):
        return None


def stamp_in(line: str, year: int | None = None) -> float | None:
    """The time that a line of a log carries: ISO 8601, Python's logging, `11/22/2026 14:30:05`, or glog's I1122.

    Of this host's time zone unless it names another. `year` is of logs that name none (default: the present one).
    """
    line = line[:STAMP_WITHIN]
    if (found := _STAMP.search(line)) is not None:
        parts = [found[name] or found[f"us_{name}"] for name in ("year", "month", "day")]
        text = "-".join(parts) + f"T{found['hour']}:{found['minute']}:{found['second']}"
        fraction = f".{found['fraction'] or '0'}"[:7]
        return _seconds(text + fraction.ljust(7, "0") + (found["zone"] or ""))
    if (found := _GLOG.search(line)) is not None:
        month, day, hour, minute, second, fraction = found.groups()
        year = year or time.localtime().tm_year
        return _seconds(f"{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction.ljust(6, '0')}")
    return None


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def step_in(line: str) -> float | None:
    """The step that a line of a log speaks of."""
    found = _STEP.search(line[:STAMP_WITHIN])
    return float(found[1]) if found else None


def clock_words(at: float) -> str:
    """A moment as shown: the local date and time."""
    return time.strftime("%m-%d %H:%M:%S", time.localtime(at))
