"""Statistics of a comparison: is the difference real, is it small enough, how many rows would tell?

Everything is paired, since all arms answer the same rows. NumPy and SciPy are imported when something is computed.
What each method is, its source and how often it is right on simulated data: docs/verdict.md.
"""

from tuneloop.statistics.curves import Forecast, Point, forecast
from tuneloop.statistics.intervals import RESAMPLES, Interval, bootstrap, bootstrap_mean, wilson
from tuneloop.statistics.power import MOST_ROWS, rows_needed
from tuneloop.statistics.significance import holm, mcnemar, sign_flip
from tuneloop.statistics.summaries import percentile

__all__ = [
    "MOST_ROWS",
    "RESAMPLES",
    "Forecast",
    "Interval",
    "Point",
    "bootstrap",
    "bootstrap_mean",
    "forecast",
    "holm",
    "mcnemar",
    "percentile",
    "rows_needed",
    "sign_flip",
    "wilson",
]
