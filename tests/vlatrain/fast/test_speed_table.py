"""The table of docs/speed.md follows from a result of the benchmark alone, and so does what has become slower."""

import json
from pathlib import Path
from typing import Any

import pytest
from speed_compare import Figure, compared, in_order
from speed_table import write_table


def step(who: str, step_s: float) -> dict[str, Any]:
    return {
        **{"who": who, "batch": 16, "texts": "equal", "step_s": step_s, "quartiles_s": [step_s - 0.01, step_s + 0.01]},
        **{"samples_per_s": 16 / step_s, "reference_tflop_per_s": 141 / step_s, "held_gb": 48.0},
    }


def test_rounds_of_a_side_are_one_row_beside_the_reference(tmp_path: Path) -> None:
    machine = {"gpu": "a card", "torch": "2", "transformers": "5", "peft": "0.2", "commit": "abc", "at": "today"}
    rows = [step("reference", 0.4), step("bf16", 0.19), step("reference", 0.6), step("bf16", 0.21)]
    answer = {"who": "ours, kernels", "rows": 4, "answer_s": 0.05, "actions_per_s": 80.0}
    result, page = tmp_path / "result.json", tmp_path / "page.md"
    result.write_text(json.dumps({"machine": machine, "parts": {"step": rows, "predict": [answer]}}))
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    write_table([result], page)
    text = page.read_text()
    assert "| 16, equal | ours | 0.2000 (0.1800 to 0.2200) |" in text
    assert "| 48.0 | 2.50 |" in text
    assert "| 4 | ours | 50.0 | 80.0 |" in text
    assert "old" not in text
    assert (text.startswith("before"), text.endswith("after\n")) == (True, True)


def test_every_part_has_its_lines_and_what_was_not_measured_is_said(tmp_path: Path) -> None:
    machine = {"gpu": "a card", "torch": "2", "transformers": "5", "peft": "0.2", "commit": "abc", "at": "today"}
    parts = {
        "levers": [step("bf16, not grouped", 0.2)],
        "checkpoint": [{"size_gb": 1.33, "stall_s": 0.03}],
        "start": [{"who": "first", "launch_s": 4.0, "the first step_s": 30.0, "whole_s": 34.0}],
        "feeding": [{"who": "bf16", "from_loader_s": 0.2, "from_memory_s": 0.2, "waited_s": [0.0001, 0.001]}],
        "memory": [{"cap_gb": 24, "who": "fp8", "batch": 4, "planned": 2}],
        "scaling": [
            {"gpus": 1, "step_s": 0.2, "samples_per_s": 80.0},
            {"gpus": 2, "step_s": 0.2, "samples_per_s": 156.0},
            {"gpus": 4, "failed": ["rank 3, 9 s: joins"]},
        ],
        "kernels": [
            {"who": "floors", "least_ms": {"wide products": 165.0}},
            {"who": "bf16", "by_kind": {"wide products": [183.0, 500], "attention": [15.0, 60]}},
        ],
    }
    result, page = tmp_path / "result.json", tmp_path / "page.md"
    told = {
        "machine": machine,
        "parts": parts,
        "not_measured": {"large": "left out: takes about 60 s, and 9 s are left"},
    }
    result.write_text(json.dumps(told))
    page.write_text("<!-- measured: begin --><!-- measured: end -->")
    write_table([result], page)
    text = page.read_text()
    for line in (
        "| 16, equal | ours, `grouped_lora: off` | 0.2000 (0.1900 to 0.2100) | 80.0 | 705 | 48.0 | - |",
        "A checkpoint (1.33 GB) holds training up for 30.0 ms.",
        "The first start, seconds: launch 4.0, the first step 30.0, whole 34.0.",
        "Fed by the loader, a step takes 0.2000 s (bf16), from memory 0.2000; it waits 0.10 ms for a batch.",
        "In 24 GB (fp8) batch 4 trains; `vlad plan` says 2.",
        "2 GPUs: 156.0 samples/s, 97.5 % a GPU of one's.",
        "4 GPUs: not measured.",
        "| wide products | 183.0 | 165 |",
        "| attention | 15.0 | - |",
        "large: left out: takes about 60 s, and 9 s are left.",
    ):
        assert line in text


def result(folder: Path, name: str, at: str, *rows: dict[str, Any], gpu: str = "a card", stall_s: float = 0.03) -> Path:
    machine = {"gpu": gpu, "torch": "2", "transformers": "5", "peft": "0.2", "commit": name, "at": at}
    parts = {"step": list(rows), "checkpoint": [{"size_gb": 1.33, "stall_s": stall_s}]}
    path = folder / f"gpu-{name}.json"
    path.write_text(json.dumps({"machine": machine, "parts": parts}))
    return path


def test_what_only_results_before_have_is_kept_and_told_with_its_commit(tmp_path: Path) -> None:
    first = result(tmp_path, "oldest", "0", stall_s=0.05)
    before = result(tmp_path, "old", "1", step("bf16", 0.20), stall_s=0.04)
    last = without(result(tmp_path, "new", "2", step("bf16", 0.19)), "checkpoint")
    page = tmp_path / "page.md"
    page.write_text("<!-- measured: begin --><!-- measured: end -->")
    write_table([first, before, last], page)
    text = page.read_text()
    assert "commit new, 2 UTC; medians, quartiles in brackets. Of commit old: checkpoint.\n" in text
    assert "holds training up for 40.0 ms" in text
    assert "| 16, equal | ours | 0.1900 (0.1800 to 0.2000)" in text


def without(result: Path, part: str) -> Path:
    told = json.loads(result.read_text())
    del told["parts"][part]
    result.write_text(json.dumps(told))
    return result


def test_a_step_that_became_slower_is_worse_and_one_within_its_spread_is_not(tmp_path: Path) -> None:
    old = result(tmp_path, "old", "1", step("bf16", 0.20), step("fp8", 0.15))
    new = result(tmp_path, "new", "2", step("bf16", 0.25), step("fp8", 0.159), stall_s=0.02)
    told, is_worse = compared(old, new)
    assert is_worse
    assert "| step, ours, batch 16, equal texts | 0.2 s | 0.25 s | +25.0 % | worse |" in told
    assert "| a checkpoint's stall | 0.03 s | 0.02 s | -33.3 % |  |" in told
    assert told.endswith("1 of 5 figures are worse: step, ours, batch 16, equal texts.")
    assert compared(new, old)[0].endswith("1 of 5 figures are worse: a checkpoint's stall.")


def test_what_others_need_is_shown_and_is_no_regression_of_ours(tmp_path: Path) -> None:
    old = result(tmp_path, "old", "1", step("reference", 0.4), step("bf16", 0.2))
    new = result(tmp_path, "new", "2", step("reference", 0.8))
    told, is_worse = compared(old, new)
    assert not is_worse
    assert "+100.0 %" in told
    assert "No longer measured: step, ours, batch 16, equal texts." in told


def test_the_newest_result_stands_beside_the_last_one_of_the_same_card(tmp_path: Path) -> None:
    assert in_order(tmp_path) == []
    first, other = result(tmp_path, "b", "1"), result(tmp_path, "c", "2", gpu="another card")
    assert in_order(tmp_path) == [other]
    last = result(tmp_path, "a", "3")
    assert in_order(tmp_path) == [first, last]


@pytest.mark.parametrize(("now", "is_worse"), [(1.02, False), (1.2, False), (1.4, True), (0.5, False)])
def test_a_figure_is_worse_outside_of_what_was_seen_and_by_more_than_a_little(now: float, is_worse: bool) -> None:
    assert Figure(now, now, now, "s").is_worse_than(Figure(1.0, 0.8, 1.3, "s")) is is_worse
