"""What more trials would bring, on values that can be checked by hand."""

import pyarrow as pa
import pytest
import yaml

from results.forecast import Forecast, forecast, largest_gain, on_more_trials
from results.store import open_run, write_trials

PLAIN = {"space": "s", "trials": 20, "grace": 1, "eta": 3, "epochs": 3}
WORSE = [9.0] * 17


@pytest.fixture
def make(tmp_path):
    """`make(values, mode)`: a finished run whose trials have these values, and took two seconds each."""

    def go(values, mode="min", params=None, **more):
        params = params or {"lr": {"low": 0.0, "high": 1.0}}
        config = {**PLAIN, "trials": len(values), "objective": {"metric": "val/f", "mode": mode}} | more
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"params": params}))
        rows = [
            {"trial": number, "objective": value, "state": "complete" if value is not None else "failed"}
            | {"epochs": 3, "seconds": 2.0, **{f"param/{name}": 0.5 for name in params}}
            for number, value in enumerate(values)
        ]
        write_trials(tmp_path, rows, dict.fromkeys(params, pa.float64()))
        return open_run(tmp_path)

    return go


@pytest.mark.parametrize(
    ("losses", "gain"),
    [
        ([5.0, 9.0, 9.0, 3.0, 8.0, 9.0], 5.0),  # the third best is 8, and the first half had 5
        ([9.0, 9.0, 9.0, 3.0, 4.0, 4.0], 6.0),  # the second half brought 6
        ([3.0, 3.0, 3.0, 8.0, 8.0, 8.0], 0.0),
        ([float("inf")] * 3 + [3.0, 4.0, 5.0], 2.0),  # nothing is known of the first half
    ],
)
def test_the_largest_gain_is_that_of_the_second_half_or_the_way_to_the_third_best(losses, gain):
    assert largest_gain(losses) == gain


def test_the_bound_is_beyond_the_best_value_by_that_gain(make):
    run = make([None, *WORSE, 4.0, 3.0, 3.5])
    assert forecast(run) == Forecast(trials=21, seconds=42.0, best=3.0, bound=0.0)  # a loss: not below 0
    run = make([5.0, *WORSE, 4.0, 3.5, 3.0])
    assert forecast(run) == Forecast(trials=21, seconds=42.0, best=3.0, bound=1.0)
    assert on_more_trials(run) == (
        "With as many trials again (21, about 42 s of device time), the best val/f would probably lie "
        "between 3, where it is now, and 1 (two times in three)."
    )
    run = make([0.5] * 18 + [0.9, 0.91, 0.95], "max")
    assert forecast(run).bound == 1.0  # not 1.4
    assert forecast(make([5.0] * 18 + [9.0, 9.1, 9.5], "max")).bound == 14.0


def test_a_search_that_finds_equal_values_probably_stays_there(make):
    assert "would probably stay at 3 (two times" in on_more_trials(make([3.0] * 20))


def test_few_trials_are_said_to_be_too_few(make):
    run = make([None, *WORSE, 3.0])
    assert forecast(run) is None
    assert (
        on_more_trials(run)
        == "Too few trials with a value (18) to tell what more would bring: 20 are needed."
    )


@pytest.mark.parametrize(
    "more",
    [
        {"objective": [{"metric": "val/f", "mode": "min"}, {"metric": "g", "mode": "min"}]},
        {"constraint": [{"metric": "g", "max": 1.0}]},
        {"params": {"lr": [0.1, 0.2], "depth": list(range(10))}},  # all 20 configurations
    ],
)
def test_nothing_is_said_where_more_trials_are_no_question(make, more):
    run = make([*WORSE, 4.0, 3.0, 3.5], **more)
    assert (forecast(run), on_more_trials(run)) == (None, "")
    assert on_more_trials(make([None] * 20)) == ""
