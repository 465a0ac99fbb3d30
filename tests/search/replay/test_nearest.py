"""Tables of learning curves: the distance of configurations, and the nearest that is not used yet."""

import numpy as np
import pytest

from search.replay.nearest import NearestUnused, point, squared_distances
from tests.benchmarks.bowl import bowl_space, make_task


@pytest.mark.parametrize(
    ("change", "squared"),
    [
        ({}, 0.0),
        ({"x": 0.7}, 0.25),
        ({"lr": 1e-2}, 1 / 9),  # a third of the logarithmic range
        ({"depth": 3}, 1 / 9),
        ({"kind": "c"}, 1.0),
        ({"kind": "a", "depth": None}, 2.0),  # another option, and `depth` is active in one of the two
        ({"x": 0.7, "kind": "c", "depth": 3}, 1.25 + 1 / 9),
    ],
)
def test_distance(change: dict, squared: float) -> None:
    space = bowl_space()
    first = {"x": 0.2, "lr": 1e-1, "kind": "b", "depth": 2, "fixed": 7}
    second = {name: value for name, value in {**first, **change}.items() if value is not None}
    assert space.holds(first) and space.holds(second)
    points = np.array([point(space, first), point(space, second)])
    assert squared_distances(space, points, point(space, first)) == pytest.approx([0, squared])
    assert squared_distances(space, points, point(space, second)) == pytest.approx([squared, 0])


def test_inactive_in_both_is_no_distance() -> None:
    space = bowl_space()
    own = point(space, {"x": 0.2, "lr": 1e-1, "kind": "a", "fixed": 7})
    assert squared_distances(space, np.array([own]), own).tolist() == [0.0]


def test_nearest_unused_row() -> None:
    task = make_task(0)
    params = task.table.configurations[7]
    order = np.argsort(squared_distances(task.space, task.table.points, point(task.space, params)))
    assert order[0] == 7
    answer = NearestUnused(task.table)
    assert [answer.row(params) for _ in range(3)] == order[:3].tolist()
