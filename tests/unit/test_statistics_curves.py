import math

import pytest

from tuneloop.statistics import Point, forecast


def points(*means: float, error: float = 0.01) -> list[Point]:
    return [Point(rows, mean, error) for rows, mean in zip((250, 500, 1000), means, strict=False)]


def test_a_rising_curve_rises_on_and_bends() -> None:
    found = forecast(points(0.6, 0.7, 0.77), 1_500)
    assert found.rows == 1_500
    assert 0.77 < found.quality.mean < 0.84
    assert found.quality.low < found.quality.mean < found.quality.high
    assert 0.01 < found.gain.mean < 0.07 and found.gain.low >= 0


def test_a_power_law_that_was_measured_well_is_followed() -> None:
    def law(rows: int) -> float:
        return 0.9 - 4 / math.sqrt(rows)

    found = forecast([Point(rows, law(rows), 0.0005) for rows in (200, 400, 800, 1_600, 3_200)], 3_700)
    assert found.quality.mean == pytest.approx(law(3_700), abs=0.004)
    assert found.gain.mean == pytest.approx(law(3_700) - law(3_200), abs=0.003)


@pytest.mark.parametrize("means", [(0.75, 0.75, 0.75), (0.8, 0.75, 0.7), (0.9, 0.5, 0.1)])
def test_a_curve_that_does_not_rise_promises_nothing(means: tuple[float, ...]) -> None:
    found = forecast(points(*means), 1_500)
    assert found.gain.mean < 0.02 and found.gain.low == pytest.approx(0, abs=1e-9)
    assert min(means) < found.quality.mean < max(means) + 0.02


def test_few_held_out_rows_make_a_wide_interval() -> None:
    sure, unsure = forecast(points(0.6, 0.7, 0.77), 1_500), forecast(points(0.6, 0.7, 0.77, error=0.06), 1_500)
    assert unsure.quality.high - unsure.quality.low > 1.5 * (sure.quality.high - sure.quality.low)


def test_the_same_rows_judge_every_point_so_that_hard_ones_are_no_noise() -> None:
    # 120 rows: 60 % always right, a sixth always wrong; the others are learnt one after the other.
    learnt = [[1.0] * (72 + n) + [0.0] * (48 - n) for n in (0, 12, 20)]
    means = [sum(scores) / 120 for scores in learnt]
    errors = [math.sqrt(mean * (1 - mean) / 120) for mean in means]
    known = [Point(rows, mean, error) for rows, mean, error in zip((250, 500, 1000), means, errors, strict=True)]
    alone, together = forecast(known, 1_500), forecast(known, 1_500, scores=learnt)
    assert together.gain.high - together.gain.low < alone.gain.high - alone.gain.low


def test_two_points_and_other_bounds_do() -> None:
    assert forecast(points(0.6, 0.7), 1_000).quality.high <= 1
    stars = forecast([Point(100, 3.0, 0.1), Point(400, 4.0, 0.1)], 900, bounds=(1.0, 5.0))
    assert 4.0 < stars.quality.mean < 5.0 and stars.quality.high <= 5.0


def test_all_right_or_all_wrong_is_no_division_by_zero() -> None:
    right = forecast(points(1.0, 1.0, 1.0, error=0.0), 1_500, scores=[[1.0] * 30] * 3)
    wrong = forecast(points(0.0, 0.0, 0.0, error=0.0), 1_500, scores=[[0.0] * 30] * 3)
    assert right.quality.mean > 0.98 and wrong.quality.mean < 0.02


def test_the_same_forecast_every_time_and_as_wide_as_asked() -> None:
    curve = points(0.6, 0.7, 0.77)
    assert forecast(curve, 1_500) == forecast(curve, 1_500)
    narrow, wide = (forecast(curve, 1_500, level=level).quality for level in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("rows", [(), (100,), (100, 100), (200, 100), (0, 100)])
def test_what_is_no_curve_is_refused(rows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two points or more"):
        forecast([Point(n, 0.5, 0.01) for n in rows], 1_000)
