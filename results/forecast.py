"""What more trials would probably bring, from the values of a search so far.

The gain of as many trials again is compared with two numbers that the search itself shows: how much the
second half of its trials improved the best value, and how far the third best trial is from the best. In two
of three searches of `benchmarks/forecast.py`, or more, the gain was at most the larger of the two. The
model of the search was not used: the gains that it expects on real curves are many times too large
(docs/decisions/0035-what-more-trials-would-bring.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any, final

from results.parameters import dimensions
from results.store import LOST, Run
from results.text import number, rounded_duration

MIN_TRIALS = 20  # with a value; searches with fewer were not measured
SHARE = "two times in three"  # of searches whose gain is at most the bound


@final
@dataclass(frozen=True)
class Forecast:
    """What as many trials again would bring."""

    trials: int
    seconds: float  # of device time
    best: float  # objective so far
    bound: float  # that the best one would probably not pass


def forecast(run: Run) -> Forecast | None:
    """The forecast of a run; None if it `may_go_on` not, or too few of its trials have a value."""
    rows, mode = run.trials.to_pylist(), run.objective["mode"]
    if not may_go_on(run) or sum(map(has_value, rows)) < MIN_TRIALS:
        return None
    sign = 1 if mode == "min" else -1
    losses = [sign * row["objective"] if has_value(row) else inf for row in rows]
    values = [loss for loss in losses if loss < inf]
    bound = min(values) - largest_gain(losses)
    if mode == "min" and min(values) >= 0:
        bound = max(bound, 0.0)  # a loss
    if mode == "max" and min(values) >= -1 and max(values) <= 0:
        bound = max(bound, -1.0)  # a share, such as an accuracy
    return Forecast(len(rows), sum(row["seconds"] for row in rows), sign * min(values), sign * bound)


def largest_gain(losses: Sequence[float]) -> float:
    """The gain that as many trials again would probably not exceed.

    `losses` are the last values of three or more trials in their order, lower is better, infinite without a
    value.
    """
    best = min(losses)
    first_half, third = min(losses[: len(losses) // 2]), sorted(losses)[2]
    return max(third - best, first_half - best if first_half < inf else 0.0)


def has_value(row: Mapping[str, Any]) -> bool:
    """Whether the trial of a row has a value and a model."""
    return row["objective"] is not None and row["state"] not in LOST


def may_go_on(run: Run) -> bool:
    """Whether more trials are a question: the run does not run, has a value, and has not tried everything.

    False for several objectives or constraints, whose best value is not one number.
    """
    dims, rows = dimensions(run.config["params"]), run.trials.to_pylist()
    is_whole = all(dim.options for dim in dims) and len(rows) >= prod(len(dim.options) for dim in dims)
    is_plain = len(run.objectives) == 1 and not run.constraints
    return is_plain and not is_whole and any(map(has_value, rows)) and run.status != "running"


def on_more_trials(run: Run) -> str:
    """A sentence on what more trials would bring; empty if the run `may_go_on` not."""
    if not may_go_on(run):
        return ""
    metric, found = run.objective["metric"], forecast(run)
    if found is None:
        valued = sum(map(has_value, run.trials.to_pylist()))
        return (
            f"Too few trials with a value ({valued}) to tell what more would bring: {MIN_TRIALS} are needed."
        )
    size = f"{found.trials:,}, about {rounded_duration(found.seconds)} of device time"
    start, best = f"With as many trials again ({size}), the best {metric} would probably", number(found.best)
    if number(found.bound) == best:
        return f"{start} stay at {best} ({SHARE})."
    return f"{start} lie between {best}, where it is now, and {number(found.bound)} ({SHARE})."
