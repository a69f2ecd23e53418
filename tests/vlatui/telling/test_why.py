"""The page that tells why a run ended."""

import pytest
from fake_runs import NOW
from vlad.policy.advice import Advice
from vlad.records.home_view import RunView
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.run import Attempt, RunRecord, State
from vlad.records.summary import Summary
from vlatui.telling.why import why_lines


@pytest.mark.parametrize("width", [30, 60, 100])
def test_advice_is_told_to_its_end_at_any_width(width: int) -> None:
    diagnosis = Diagnosis(
        cause=Cause.KILLED, confidence="unknown", summary="rank 1 was killed", advice=Advice.NOT_OUT_OF_MEMORY
    )
    attempt = Attempt(number=1, started_at=NOW, exit=Exit(at=NOW, signal=9), diagnosis=diagnosis)
    record = RunRecord(
        run_id="r", name="a", state=State.FAILED, seq=1, created_at=NOW, updated_at=NOW, host="h", attempts=(attempt,)
    )
    lines = why_lines(RunView(record, Summary()), NOW, width)
    told = " ".join("".join(span.text for span in line).removeprefix("▌ ") for line in lines)
    assert f"→ {Advice.NOT_OUT_OF_MEMORY}" in told
    assert "…" not in told
