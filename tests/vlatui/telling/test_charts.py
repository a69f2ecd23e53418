"""Charts as people see them: their text, cell by cell."""

import msgspec
import pytest
from vlad.records.progress import Evaluation
from vlatui.look.canvas import Canvas
from vlatui.look.tones import Span, Tone
from vlatui.reading.series import Curve
from vlatui.telling.charts import CurveView, curve_chart, success_chart, visible_points


def text_of(rows: list[list[Span]]) -> list[str]:
    return ["".join(span.text for span in row) for row in rows]


def evaluation(step: int, rate: float, low: float, high: float, failure: str | None = None) -> Evaluation:
    return Evaluation(
        at=0, step=step, suite="s", successes=int(rate), episodes=100, success_rate=rate, low=low, high=high,
        failure=failure,
    )  # fmt: skip


RISING = (evaluation(0, 5, 2, 11), evaluation(100, 40, 31, 50), evaluation(200, 90, 83, 95))
CURVE = Curve(tuple(range(50)), tuple(float(at) for at in range(100, 150)), tuple(50.0 - step for step in range(50)))


def test_every_evaluation_has_a_point_and_a_bar_through_it() -> None:
    rows = text_of(success_chart(RISING, 60, 16, 200))
    assert sum(row.count("●") for row in rows) == 3
    column = next(row for row in rows if "●" in row and "best" in row).index("●")
    bar = [row[column] for row in rows]
    assert bar.count("│") + bar.count("╵") + bar.count("╷") >= 1


def test_an_error_bar_reaches_from_its_lower_to_its_upper_bound() -> None:
    wide = (evaluation(0, 50, 10, 90),)
    narrow = (evaluation(0, 50, 48, 52),)

    def bar_cells(evaluations: tuple[Evaluation, ...]) -> int:
        rows = [row[5:] for row in text_of(success_chart(evaluations, 40, 22, 100))[:-2]]
        return sum(character in "│╵╷●" for row in rows for character in row)

    assert bar_cells(wide) in range(14, 19)
    assert bar_cells(narrow) in range(1, 4)


def test_the_best_is_named_and_the_axis_labelled() -> None:
    rows = text_of(success_chart(RISING, 60, 16, 400))
    assert any("best 90%" in row for row in rows)
    assert rows[0].startswith("100%┤")
    assert rows[-1].split() == ["0", "100", "200", "300", "400"]


def test_the_best_is_the_one_that_the_run_counts_as_such() -> None:
    small_gain = (
        evaluation(0, 68, 54, 79),
        msgspec.structs.replace(evaluation(100, 70, 56, 81), best=68.0, best_step=0),
    )
    rows = text_of(success_chart(small_gain, 60, 16, 100))
    assert any("best 68%" in row for row in rows)
    assert not any("best 70%" in row for row in rows)


def test_a_failed_evaluation_is_a_cross_on_the_ground() -> None:
    rows = text_of(success_chart((*RISING, evaluation(300, 0, 0, 0, failure="simulator died")), 60, 16, 400))
    assert sum(row.count("✗") for row in rows) == 1
    assert sum(row.count("●") for row in rows) == 3


def test_the_chosen_evaluation_is_marked() -> None:
    rows = text_of(success_chart(RISING, 60, 16, 200, selected=1))
    assert sum(row.count("◆") for row in rows) == 1


@pytest.mark.parametrize("size", [(5, 20), (60, 3), (0, 0)])
def test_without_room_there_is_no_chart(size: tuple[int, int]) -> None:
    assert success_chart(RISING, *size) == []
    assert curve_chart(CURVE, CurveView(), *size) == []


@pytest.mark.parametrize("height", [4, 7, 12, 30])
def test_every_row_is_exactly_as_wide_as_asked_for(height: int) -> None:
    for rows in (text_of(success_chart(RISING, 50, height)), text_of(curve_chart(CURVE, CurveView(), 50, height))):
        assert len(rows) == height
        assert {len(row) for row in rows[:-2]} == {50}


def test_a_falling_curve_falls_on_screen() -> None:
    rows = curve_chart(CURVE, CurveView(smoothing=0.0), 40, 12)
    drawn = [
        next((number for number, row in enumerate(text_of(rows)[:-2]) if row[column] > "\u2802"), None)
        for column in (8, 36)
    ]
    assert drawn[0] is not None
    assert drawn[1] is not None
    assert drawn[0] < drawn[1]


def test_a_log_scale_leaves_out_what_has_no_logarithm() -> None:
    curve = Curve((0.0, 1.0, 2.0), (0.0, 1.0, 2.0), (-1.0, 10.0, 100.0))
    points = visible_points(curve, CurveView(is_logarithmic=True, smoothing=0.0))
    assert [round(height, 6) for _, height, _ in points] == [1.0, 2.0]


def test_over_time_counts_seconds_from_the_first_point() -> None:
    points = visible_points(CURVE, CurveView(over_time=True))
    assert (points[0][0], points[-1][0]) == (0.0, 49.0)


def test_one_point_and_equal_values_can_be_drawn() -> None:
    assert curve_chart(Curve((1.0,), (0.0,), (3.0,)), CurveView(), 40, 10)
    assert curve_chart(Curve((1.0, 2.0), (0.0, 1.0), (0.0, 0.0)), CurveView(), 40, 10)


def test_a_canvas_leaves_out_what_lies_outside() -> None:
    canvas = Canvas(3, 2)
    canvas.line((-10, -10), (20, 20), Tone.GOOD)
    canvas.put(2, 0, "abc", Tone.BAD)
    assert text_of(canvas.rows())[0][2] == "a"
    assert all(len(row) == 3 for row in text_of(canvas.rows()))
