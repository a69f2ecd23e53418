"""The table of docs/speed.md follows from a result of the benchmark alone."""

import json
from pathlib import Path
from typing import Any

from speed_table import write_table


def step(who: str, step_s: float) -> dict[str, Any]:
    return {
        **{"who": who, "batch": 16, "texts": "equal", "step_s": step_s, "quartiles_s": [step_s - 0.01, step_s + 0.01]},
        **{"samples_per_s": 16 / step_s, "reference_tflop_per_s": 141 / step_s, "held_gb": 48.0},
    }


def test_rounds_of_a_side_are_one_row_beside_the_reference(tmp_path: Path) -> None:
    machine = {"gpu": "a card", "torch": "2", "transformers": "5", "peft": "0.2", "commit": "abc", "at": "today"}
    rows = [step("reference", 0.4), step("bf16", 0.19), step("reference", 0.6), step("bf16", 0.21)]
    answer = {"who": "ours", "rows": 4, "answer_s": 0.05, "actions_per_s": 80.0}
    result, page = tmp_path / "result.json", tmp_path / "page.md"
    result.write_text(json.dumps({"machine": machine, "parts": {"step": rows, "predict": [answer]}}))
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    write_table(result, page)
    text = page.read_text()
    assert "| 16, equal | ours | 0.2000 (0.1800 to 0.2200) |" in text
    assert "| 48.0 | 2.50 |" in text
    assert "| 4 | ours | 50.0 | 80.0 |" in text
    assert "old" not in text
    assert (text.startswith("before"), text.endswith("after\n")) == (True, True)
