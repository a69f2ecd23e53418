"""Log text made safe to show: colour survives, everything else that could move, hide or trick does not."""

import re

MAX_LINE_BYTES = 64 * 1024
RESET = "\x1b[0m"
TAB_COLUMNS = 8

_STRING = r"\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC with their terminator
_CSI = r"\x1b\[(?P<parameters>[0-?]*)(?P<middle>[ -/]*)(?P<final>[@-~])"
_ESCAPE = re.compile(rf"{_STRING}|{_CSI}|\x1b\[[0-?]*[ -/]*|\x1b[ -/]*[0-~]?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONCEAL = "8"
_EXTENDED = {"38", "48", "58"}  # these take further numbers: 5;index or 2;red;green;blue


def clean_line(raw: bytes) -> str:
    """One line of a log (without its newline) as text for a terminal; of all escape sequences only colours are left.

    A carriage return starts the line again, as a progress bar means it; other controls are shown visibly; bytes that
    are no UTF-8 are replaced; a line over 64 KiB ends with a mark that says how much is left out.
    """
    line, left_out = _capped(last_overwrite(raw))
    text = line.decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return text + left_out
    text = _ESCAPE.sub(_kept_colour, text)
    text = _CONTROL.sub(_visible, text).expandtabs(TAB_COLUMNS)
    return text + left_out + (RESET if "\x1b" in text and not text.endswith((RESET, "\x1b[m")) else "")


def without_colour(text: str) -> str:
    """Cleaned text without its colours."""
    return _COLOUR.sub("", text)


def last_overwrite(raw: bytes) -> bytes:
    """What a terminal would show last of a line with carriage returns: the last part that is not blank."""
    end = len(raw)
    while end > 0:
        start = raw.rfind(b"\r", 0, end) + 1
        if raw[start:end].strip():
            return raw[start:end]
        end = start - 1
    return b""


def _capped(line: bytes) -> tuple[bytes, str]:
    if len(line) <= MAX_LINE_BYTES:
        return line, ""
    return line[:MAX_LINE_BYTES], f"… [{len(line) - MAX_LINE_BYTES} bytes left out]"


def _kept_colour(match: re.Match[str]) -> str:
    if match["final"] != "m" or match["middle"] or re.search("[<=>?]", match["parameters"]):
        return ""
    return f"\x1b[{';'.join(_visible_parameters(match['parameters'].split(';')))}m"


def _visible_parameters(parameters: list[str]) -> list[str]:
    """Parameters of a colour sequence without "conceal", which would hide text."""
    kept: list[str] = []
    while parameters:
        taken = {"5": 3, "2": 5}.get(parameters[1], 1) if parameters[0] in _EXTENDED and len(parameters) > 1 else 1
        head, parameters = parameters[:taken], parameters[taken:]
        if taken > 1 or head[0].partition(":")[0].lstrip("0") != _CONCEAL:
            kept += head
    return kept or ["0"]


def _visible(match: re.Match[str]) -> str:
    """A control character as a picture (C0) or its number (C1, line separators, text direction)."""
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
