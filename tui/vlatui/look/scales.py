"""Numbers made fit to be drawn: smoothed, cut at round ticks, as a row of eighths. Pure."""

import math
from collections.abc import Sequence


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average without the bias of its start; `weight` 0 changes nothing, 0.99 is very smooth."""
    average, total, result = 0.0, 0.0, []
    for value in values:
        average = average * weight + value * (1 - weight)
        total = total * weight + (1 - weight)
        result.append(average / total)
    return result


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between `low` and `high`, at most `most` of them, 1, 2 or 5 times a power of ten apart."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or most < 1:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(raw))
    distance = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    first = math.ceil(low / distance - 1e-9)
    last = math.floor(high / distance + 1e-9)
    return [float(f"{index * distance:.12g}") for index in range(first, last + 1)][: most + 1]


ROUND_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Round seconds, minutes, hours or days between `low` and `high` (seconds), at most `most` of them."""
    if not high > low or most < 1:
        return ticks(low, high, most)
    distance = next((float(one) for one in ROUND_S if (high - low) / one <= most), 0.0)
    if not distance:
        return [86_400 * day for day in ticks(low / 86_400, high / 86_400, most)]
    return [index * distance for index in range(math.ceil(low / distance), math.floor(high / distance) + 1)][:most]


def logarithmic_ticks(low: float, high: float, most: int) -> list[float]:
    """Logarithms (to base 10) of round numbers between 10**low and 10**high: powers, and 2 and 5 times them if few."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return ticks(low, high, most)
    if high - low > most:
        return [mark for mark in ticks(low, high, most) if mark == round(mark) and low <= mark <= high]
    decades = range(math.floor(low), math.ceil(high) + 1)
    marks = [place for at in decades for one in (1, 2, 5) if low <= (place := math.log10(one) + at) <= high]
    powers = [mark for mark in marks if mark == round(mark)]
    if len(marks) > most + 1 and len(powers) > 1:
        return powers
    if len(marks) > 1:
        return marks[:: -(-len(marks) // (most + 1))]
    places = (math.log10(tick) for tick in ticks(10.0**low, 10.0**high, most) if tick > 0)
    return [place for place in places if low <= place <= high]  # a tick may lie a rounding beside the scale


SPARKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int) -> str:
    """The newest values as bars of eighths; the newest of each group where there are more values than cells."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or width < 1:
        return ""
    if len(finite) > width:
        finite = [finite[(index + 1) * len(finite) // width - 1] for index in range(width)]
    low, high = min(finite), max(finite)
    if high <= low:
        return SPARKS[3] * len(finite)
    return "".join(SPARKS[min(7, int((value - low) / (high - low) * 8))] for value in finite)
