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
    return [round(index * distance, 12) for index in range(first, last + 1)][: most + 1]


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
