"""How often the statistics of a verdict are right, on simulated data of known truth: the tables of docs/verdict.md.

Minutes on one core: python -m bench.coverage
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from tuneloop import statistics
from tuneloop.statistics import Interval, Point

Array = NDArray[np.floating[Any]]

#: The true difference of every case; as the margin it is the worst case in which "yes" is still wrong.
TRUTH = -0.05
LEVEL = 0.95


def _thirds(gained: float) -> Callable[[Generator, tuple[int, int]], Array]:
    """Right / wrong: `gained` of the rows are won, 5 % more are lost."""

    def draw(rng: Generator, size: tuple[int, int]) -> Array:
        chance = rng.random(size)
        return np.where(chance < gained, 1.0, np.where(chance < 2 * gained - TRUTH, -1.0, 0.0))

    return draw


def _rubric(rng: Generator, size: tuple[int, int]) -> Array:
    steps = [-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75]
    return rng.choice(steps, size=size, p=[0.03, 0.08, 0.24, 0.45, 0.13, 0.05, 0.02])


#: Differences of two arms' scores, [experiments, rows]; each has the mean TRUTH (tests/unit/test_coverage.py).
CASES: dict[str, Callable[[Generator, tuple[int, int]], Array]] = {
    "right / wrong, agree on 95 %": _thirds(0.0),
    "right / wrong, agree on 85 %": _thirds(0.05),
    "right / wrong, agree on 35 %": _thirds(0.3),
    "chrF, differ by 0.2": lambda rng, size: np.clip(rng.normal(TRUTH, 0.2, size), -1, 1),
    "a rubric in quarters": _rubric,
    "nine in ten the same, one in ten halved": lambda rng, size: -0.5 * (rng.random(size) < 0.1),
    "a little better, one in ten much worse": lambda rng, size: np.where(rng.random(size) < 0.1, -0.95, 0.05),
}


class Rates(NamedTuple):
    """Shares of experiments: the interval holds the truth; it says "yes" though the loss is the margin."""

    covers: float
    false_yes: float


Method = Callable[[list[float], list[float]], Interval]


def ours(before: list[float], after: list[float]) -> Interval:
    """The interval of a verdict."""
    return statistics.bootstrap(before, after, level=LEVEL, resamples=2_000)


def scipys(method: str) -> Method:
    """SciPy's bootstrap, "percentile" or "BCa", for comparison."""

    def interval(before: list[float], after: list[float]) -> Interval:
        values = np.subtract(after, before)
        if np.ptp(values) == 0:
            return Interval(values[0], values[0], values[0])
        found = stats.bootstrap((values,), np.mean, method=method, n_resamples=1_000, rng=0).confidence_interval
        return Interval(float(values.mean()), found.low, found.high)

    return interval


def rates(case: str, rows: int, experiments: int, method: Method = ours, seed: int = 0) -> Rates:
    """How a method does on many data sets of so many rows."""
    found = []
    for drawn in CASES[case](np.random.default_rng(seed), (experiments, rows)):
        # Any two scores from 0 to 1 with this difference.
        before = np.maximum(-drawn, 0.0)
        found.append(method(before.tolist(), (before + drawn).tolist()))
    return Rates(
        covers=float(np.mean([one.low <= TRUTH <= one.high for one in found])),
        false_yes=float(np.mean([one.low > TRUTH for one in found])),
    )


def false_yes_exactly(rows: int, margin: float, gained: Sequence[float]) -> float:
    """The greatest chance of a wrong "yes" on right / wrong, over these shares of won rows; margin more are lost.

    No experiment: every outcome is tried, and its probability is known.
    """
    outcomes = [(won, lost) for won in range(rows + 1) for lost in range(rows + 1 - won)]
    yes = [
        (won, lost, rows - won - lost)
        for won, lost in outcomes
        if ours([0.0] * won + [1.0] * (rows - won), [1.0] * (rows - lost) + [0.0] * lost).low > -margin
    ]
    return max(float(stats.multinomial.pmf(yes, rows, [g, g + margin, 1 - 2 * g - margin]).sum()) for g in gained)


def wilson_covers(rows: int) -> tuple[float, float]:
    """Mean and least coverage of the interval of a share, over shares from 2 to 98 %; exact."""
    found = [statistics.wilson(right, rows, level=LEVEL) for right in range(rows + 1)]
    covered = []
    for share in np.arange(0.02, 0.981, 0.01):
        holds = [one.low <= share <= one.high for one in found]
        covered.append(stats.binom.pmf(np.arange(rows + 1), rows, share)[holds].sum())
    return float(np.mean(covered)), float(np.min(covered))


def power_reached(case: str, truth_shift: float, margin: float, experiments: int) -> tuple[int, float]:
    """The rows that `rows_needed` asks for from 400 rows, and how often so many give a "yes"; 0.8 is aimed at."""
    rng = np.random.default_rng(1)

    def scores(rows: int) -> tuple[list[float], list[float]]:
        drawn = np.clip(CASES[case](rng, (1, rows))[0] + truth_shift, -1, 1)
        before = np.maximum(-drawn, 0.0)
        return before.tolist(), (before + drawn).tolist()

    wanted = [statistics.rows_needed(*scores(400), margin) for _ in range(21)]
    rows = sorted(statistics.MOST_ROWS if w is None else w for w in wanted)[10]
    yes = [ours(*scores(rows)).low > -margin for _ in range(experiments)]
    return rows, float(np.mean(yes))


#: Quality by training rows: curves of the kind the forecast assumes, and of kinds that it does not.
CURVES: dict[str, Callable[[Array], Array]] = {
    "power law, exponent 0.5": lambda n: 0.85 - 3 * n**-0.5,
    "power law, exponent 0.25": lambda n: 0.95 - 1.5 * n**-0.25,
    "flat": lambda n: 0.75 + 0 * n,
    "the same with every doubling": lambda n: 0.2 + 0.08 * np.log(n),
    "exponential": lambda n: 0.8 - 0.5 * np.exp(-n / 200),
    "S-shaped": lambda n: 0.2 + 0.6 / (1 + np.exp(-(np.log(n) - 5) / 0.6)),
}


def forecast_covers(curve: str, experiments: int, level: float, noise: float = 0.01) -> float:
    """How often the forecast for 500 rows more holds the quality that a model trained on them has.

    Three models on 25, 50 and 100 % of 150 to 3,000 rows, judged on 60 to 400 held-out rows, some harder than others
    for all three; two trainings on the same number of rows differ by `noise`.
    """
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(experiments):
        rows, held_out = int(rng.choice([150, 400, 1_000, 3_000])), int(rng.integers(60, 400))
        at = np.array([rows // 4, rows // 2, rows, rows + 500], dtype=np.float64)
        quality = np.clip(np.clip(CURVES[curve](at), 0.02, 0.98) + rng.normal(0, noise, 4), 0.01, 0.99)
        ease = np.sqrt(0.6) * rng.normal(size=held_out) + np.sqrt(0.4) * rng.normal(size=(3, held_out))
        scores = (ease < stats.norm.ppf(quality[:3, None])).astype(float)
        points = [Point(int(n), s.mean(), s.std() / np.sqrt(held_out)) for n, s in zip(at, scores, strict=False)]
        found = statistics.forecast(points, rows + 500, scores=scores.tolist(), level=level).quality
        hits += found.low <= quality[3] <= found.high
    return hits / experiments


def _print(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1_000)
    experiments = parser.parse_args().experiments
    sizes = (30, 100, 300)
    cells = {(case, n): rates(case, n, experiments) for case in CASES for n in sizes}
    others = {(case, m): rates(case, 30, experiments, scipys(m)) for case in CASES for m in ("percentile", "BCa")}
    _print(
        ["", *(f"covers, {n} rows" for n in sizes), *(f"false yes, {n}" for n in sizes), "percentile, 30", "BCa, 30"],
        [
            [
                case,
                *(f"{cells[case, n].covers:.1%}" for n in sizes),
                *(f"{cells[case, n].false_yes:.1%}" for n in sizes),
                *(f"{others[case, m].false_yes:.1%}" for m in ("percentile", "BCa")),
            ]
            for case in CASES
        ],
    )
    gained = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4]
    _print(
        ["rows", *(f"margin {m:.0%}" for m in (0.02, 0.05, 0.1))],
        [[str(n), *(f"{false_yes_exactly(n, m, gained):.2%}" for m in (0.02, 0.05, 0.1))] for n in (30, 60, 100)],
    )
    _print(["rows", "mean", "least"], [[str(n), *map("{:.1%}".format, wilson_covers(n))] for n in (20, 50, 100, 300)])
    powers = [(case, *power_reached(case, 0.05, 0.05, 400)) for case in CASES]
    _print(["no true difference, margin 5 points", "rows", "yes"], [[c, str(r), f"{p:.0%}"] for c, r, p in powers])
    _print(
        ["curve", "90 %", "95 %"],
        [
            [curve, *(f"{forecast_covers(curve, experiments // 3, level):.0%}" for level in (0.9, 0.95))]
            for curve in CURVES
        ],
    )


if __name__ == "__main__":
    main()
