"""Tasks of the benchmark of search quality: tables of learning curves, recordings, and smooth functions."""

from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from benchmarks.curves import TableTask
from benchmarks.recorded import read_recorded
from benchmarks.smooth import EPOCHS, NOISE, SmoothTask, decay
from search.replay.curves import NearestUnused, point, squared_distances
from tests.benchmarks.bowl import bowl_space, make_task, write_recording


@pytest.mark.parametrize("mode", ["min", "max"])
def test_recording(mode: str, tmp_path: Path) -> None:
    task = make_task(0, mode=mode)
    write_recording(tmp_path / "some.parquet", task)
    read = read_recorded(tmp_path / "some.parquet")
    assert (read.name, read.epochs, read.trials) == ("some", 9, 40)
    assert read.space.params == task.space.params
    assert read.space.objective == task.space.objective
    assert read.space.structure == ("kind",)
    assert read.table.configurations == task.table.configurations
    assert all(read.space.holds(params) for params in read.table.configurations)
    assert read.table.curves == pytest.approx(task.table.curves, rel=1e-6, nan_ok=True)
    assert (read.best, read.median) == pytest.approx((task.best, task.median), rel=1e-6)


def test_a_full_training_takes_the_mean_of_those_that_do_not_diverge() -> None:
    task = make_task(0)
    finite = [row for row in range(40) if np.isfinite(task.table.curves[row, -1])]
    assert len(finite) == 36
    assert task.seconds == pytest.approx(np.mean([task.table.seconds[row].sum() for row in finite]))


def test_task_without_a_scale() -> None:
    task = make_task(0)
    lost = np.where((task.table.losses < 0.2)[:, None], task.table.curves, nan)
    with pytest.raises(ValueError, match="median configuration ends with a loss of inf"):
        TableTask("lost", task.space, task.table.configurations, lost, task.table.seconds)


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


def test_smooth_answers_are_exact() -> None:
    task = SmoothTask(0)
    x = np.random.default_rng(0).uniform(size=4)
    params = dict(zip(task.space.params, x.tolist(), strict=True))
    curve = task.answers()(params)
    level, size, speed = task.functions(x[None])[0]
    exact = [level + np.exp(1 + 0.5 * size) * t ** -np.exp(-0.7 + 0.4 * speed) for t in range(1, EPOCHS + 1)]
    assert curve.final == pytest.approx(exact[-1])
    noise = curve.values - exact
    assert 0.7 * NOISE < noise.std() < 1.3 * NOISE
    assert (task.answers()(params).values == curve.values).all()
    other = task.answers()({**params, "x0": np.nextafter(params["x0"], 1)})
    assert other.final == pytest.approx(curve.final)
    assert np.corrcoef(other.values - exact, noise)[0, 1] < 0.5


def test_smooth_scale() -> None:
    """No configuration is better than the best known one, and half of them are worse than the median."""
    task, rng = SmoothTask(1), np.random.default_rng(0)
    assert [len(task.space.params), task.epochs, task.seconds] == [5, 52, 52]
    points = rng.uniform(size=(1000, 5))
    values = task.functions(points)
    assert values.mean(axis=0) == pytest.approx(0, abs=0.1)
    assert values.std(axis=0) == pytest.approx(1, abs=0.1)
    regrets = [task.regret(loss) for loss in decay(values, np.array([EPOCHS]))[:, 0]]
    assert min(regrets) >= 0
    assert regrets.count(1.0) == pytest.approx(500, abs=60)
    minima = [task.regret(task.local_minimum(start)) for start in points[:20]]
    assert min(minima) == pytest.approx(0, abs=1e-6)


def test_smooth_gradient() -> None:
    task = SmoothTask(0)

    def loss(x: np.ndarray) -> float:
        return task.final_and_gradient(x)[0]

    def gradient(x: np.ndarray) -> np.ndarray:
        return task.final_and_gradient(x)[1]

    assert check_grad(loss, gradient, np.array([0.3, 0.6, 0.1, 0.9])) < 1e-4


def test_smooth_tasks_are_the_same_each_time_and_differ() -> None:
    first, again, other = SmoothTask(0), SmoothTask(0), SmoothTask(5)  # all with four parameters
    params = {f"x{dimension}": 0.25 for dimension in range(4)}
    assert (first.best, first.median) == (again.best, again.median)
    assert (first.curve(params).values == again.curve(params).values).all()
    assert first.curve(params).final != pytest.approx(other.curve(params).final)
    assert first.regret(inf) == 1.0
