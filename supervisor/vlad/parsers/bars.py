"""Progress bars that count updates: tqdm (OpenVLA, HF Trainer, plain loops) and Lightning's two kinds."""

import re

from vlad.parsers.facts import NUMBER, Fact, SeenBar, step_from

_TQDM = re.compile(r"^(?:([^|]*?): ?)?(\d{1,3})%\|[^|]*\| ?(\d{1,12})/(\d{1,12}) \[([^\]]*)\]")
_RICH = re.compile(r"^Epoch (\d{1,9})(?:/(\d{1,9}))? [━╸╺ ]*(\d{1,12})/(\d{1,12}) [\d:]+ • [\d:-]+ (.*)")
_EPOCH = re.compile(r"epoch\W{0,3}(\d{1,9})(?:/(\d{1,9}))?", re.IGNORECASE)
_TRAINING = re.compile(r"^$|train|epoch|step|iter|tun|optimi", re.IGNORECASE)
_OTHER = re.compile(r"valid|eval|test|load|sanity|fetch|generat|\bmap\b|filter|token|cach|process", re.IGNORECASE)
_RATE = re.compile(r"([\d.]{1,12}) ?(s/)?[A-Za-z]{1,12}(/s)?\b")
_POSTFIX = re.compile(rf"([A-Za-z_][\w/.-]*)(?:=| ?: )({NUMBER})(?![\w.])")


def parse(line: str) -> Fact | None:
    """Bars that load, download, map or evaluate are left out by what they are called."""
    if bar := _TQDM.search(line):
        description = (bar[1] or "").strip()
        if not _TRAINING.search(description) or _OTHER.search(description):
            return None
        epoch = _EPOCH.search(description)
        return _bar(bar[3], bar[4], epoch and epoch[1], epoch and epoch[2], bar[5])
    if bar := _RICH.search(line):
        return _bar(bar[3], bar[4], bar[1], bar[2], bar[5])
    return None


def _bar(done: str, total: str, epoch: str | None, last_epoch: str | None, told: str) -> Fact:
    figures = {name: float(value) for name, value in _POSTFIX.findall(told) if name != "v_num"}
    if (step_s := _step_s(told)) is not None:
        figures["step_s"] = step_s
    return SeenBar(
        done=int(done), total=int(total), epoch=None if epoch is None else int(epoch),
        last_epoch=None if last_epoch is None else int(last_epoch), update=step_from(figures),
    )  # fmt: skip


def _step_s(told: str) -> float | None:
    """From `1.67it/s` or `2.5s/it`."""
    for number, per_item, per_second in _RATE.findall(told):
        if per_item != per_second and number.count(".") <= 1 and float(number) > 0:
            return float(number) if per_item else 1 / float(number)
    return None
