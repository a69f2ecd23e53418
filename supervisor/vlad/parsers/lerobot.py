"""Lines of lerobot's trainer: `step:200 smpl:2K ep:3 epch:0.05 loss:0.412 grdn:12.3 lr:1.0e-05 updt_s:0.123 …`."""

import re

from vlad.parsers.facts import NUMBER, Fact, SeenEvaluation, SeenMark, step_from, whole

_TRACKER = re.compile(r"\bstep:(\d+[KMB]?) smpl:\S+ (.*)")
_PAIR = re.compile(rf"(\S+?):({NUMBER})(?![\w.])")
_MARK = re.compile(r"(?:Eval policy at|Checkpoint policy after) step (\d{1,12})\b")


def parse(line: str) -> Fact | None:
    """lerobot rounds steps from 1,000 on ("20K"); the exact one stands where it evaluates or saves."""
    if mark := _MARK.search(line):
        return SeenMark(step=int(mark[1]))
    tracked = _TRACKER.search(line)
    if tracked is None:
        return None
    figures = {name: float(value) for name, value in _PAIR.findall(tracked[2])}
    success = figures.get("success")
    if success is not None:
        return SeenEvaluation(success_rate=success) if 0 <= success <= 100 else None
    figures.pop("ep", None)
    return step_from(figures, whole(tracked[1])) if "loss" in figures else None
