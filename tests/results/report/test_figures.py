"""Details of figures: which trial they mark, and where; the ends of axes."""

import math

from results.analysis import Step
from results.parameters import Dimension
from results.report.charts import best_trial, robust_range
from results.report.figures import best_so_far
from results.report.parameter_figures import contours, parallel, slices


def test_all_figures_mark_the_same_one_of_equal_trials():
    dims = [Dimension("x"), Dimension("y")]
    rows = [
        {"trial": n, "state": "complete", "objective": value, "epochs": 3, "param/x": 0.1 * n, "param/y": 0.5}
        for n, value in enumerate([0.5, 0.9, 0.9, 0.2])
    ]
    assert best_trial(rows, "max") == 1
    assert parallel(rows, dims, "f", "max").option["series"][0]["data"][-1]["value"][-1] == 1
    for figure in [*slices(rows, dims, "max"), *contours(rows, dims, "max")]:
        assert [dot[2] for dot in figure.option["series"][-1]["data"]] == [1]


def test_marks_are_drawn_at_their_exact_values():
    """By default ECharts rounds the value of a mark to two decimals."""
    for figure in best_so_far([Step(0, 0.9071, 3, 0.5), Step(1, 0.9133, 6, 1.0)], {"default": 0.9071}, "max"):
        mark = figure.option["series"][0]["markLine"]
        assert mark["precision"] == -1 and mark["data"][0]["yAxis"] == 0.9071


def test_an_axis_leaves_out_outliers_but_keeps_the_values_to_keep():
    low, high = robust_range([*range(100), 1e9, math.nan])
    assert low < 0 and 99 < high < 110
    assert robust_range(range(100), keep=[1000.0])[1] > 1000
    assert robust_range([]) == (0.0, 1.0)
    low, high = robust_range([3.0, 3.0])
    assert low < 3 < high
