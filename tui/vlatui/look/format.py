"""Text cut and worded for the screen; numbers and times are worded by vlad.records.figures."""

from pathlib import PurePosixPath

from vlad.records import figures


def pace(step_s: float | None) -> str:
    """Speed in whichever way round reads well: 2.1 steps/s or 3.4 s/step."""
    if not step_s or step_s < 0:
        return figures.UNKNOWN
    return f"{1 / step_s:.1f} steps/s" if step_s < 1 else f"{step_s:.1f} s/step"


def shortened(text: str, width: int) -> str:
    """`text` within `width` characters, an ellipsis in place of what is cut."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 1 else text[:width]


def shortened_path(path: str, width: int) -> str:
    """A path within `width` characters: the end says most, so the start is cut."""
    if len(path) <= width:
        return path
    tail = str(PurePosixPath(*PurePosixPath(path).parts[-2:]))
    if len(tail) + 2 <= width:
        return "…/" + tail
    return "…" + path[len(path) - width + 1 :] if width > 1 else path[-width:]
