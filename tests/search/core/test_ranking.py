"""Several objectives and constraints: the rank of each trial as one number, and the front."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search.core.finishing import winners
from search.core.history import History, Observation
from search.core.job import Job, State
from search.core.ranking import is_front, losses, maximin_fitness, scalarised, vector
from search.engines.local import LocalEngine
from spaces.lane import Report
from spaces.space import Constraint, Objective
from tests.history import SPACE, history

FEW = st.integers(0, 6).map(float)


def test_the_fitness_of_a_hand_worked_example():
    """Ranks are 0, 1/3, 2/3 and 1; each objective counts with a twentieth of both."""
    points = np.array([[0.0, 30.0], [1.0, 20.0], [2.0, 10.0], [3.0, 40.0]])
    y = np.array([[0, 2 / 3], [1 / 3, 1 / 3], [2 / 3, 0], [1, 1]])
    y += 0.05 * y.sum(axis=1, keepdims=True)
    lead = [[min(a - b) for b in y] for a in y]
    expected = [max(lead[i][j] for j in range(4) if j != i) for i in range(4)]
    assert maximin_fitness(points) == pytest.approx(expected)
    assert maximin_fitness(points).argsort().tolist()[-1] == 3
    assert len(maximin_fitness(points[:1])) == 1


@given(arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=FEW))
def test_the_fitness_is_that_of_the_formula(points):
    """All pairs are compared here; the code compares with the front where that suffices."""
    count = len(points)
    y = np.array([[(points[:, k] < own).sum() for k, own in enumerate(row)] for row in points])
    y = y / max(1, count - 1)
    y = y + 0.05 * y.sum(axis=1, keepdims=True)
    lead = [[min(a - b) for b in y] for a in y]
    for i, own in enumerate(maximin_fitness(points)):
        others = [lead[i][j] for j in range(count) if j != i]
        assert own == pytest.approx(max(others) if others else -1.1)


@given(arrays(float, st.tuples(st.integers(2, 12), st.just(2)), elements=FEW))
def test_a_dominated_trial_ranks_behind_the_trial_that_dominates_it(points):
    fitness = maximin_fitness(points)
    for a, own in zip(points, fitness, strict=True):
        for b, other in zip(points, fitness, strict=True):
            if (a <= b).all() and (a < b).any():
                assert own < other


@given(arrays(float, st.tuples(st.integers(1, 12), st.just(3)), elements=FEW))
def test_the_front_is_what_nothing_dominates(vectors):
    kept = [row for row in vectors if row[0] == 0]
    for row, front in zip(vectors, is_front(vectors), strict=True):
        better = [o for o in kept if (o[1:] <= row[1:]).all() and (o[1:] < row[1:]).any()]
        assert front == (row[0] == 0 and not better)


def test_trials_that_break_a_constraint_rank_last_and_by_how_far():
    vectors = np.array([[0.0, 5.0], [2.0, 1.0], [0.0, 3.0], [0.5, 0.0]])
    assert losses(vectors).argsort().tolist() == [2, 0, 3, 1]
    assert losses(vectors)[[0, 2]].tolist() == [5.0, 3.0]  # one objective keeps its values
    assert losses(vectors[[1, 3]]).argsort().tolist() == [1, 0]


def test_the_violation_is_relative_to_the_bound():
    space = replace(
        SPACE,
        objective=Objective("acc", "max"),
        further_objectives=(Objective("size", "min"),),
        constraints=(Constraint("ms", max=5), Constraint("acc", min=0.5)),
    )
    assert space.ranking_metrics == ("acc", "size", "ms")
    assert vector(space, {"acc": 0.6, "size": 3.0, "ms": 5.0}) == (0.0, -0.6, 3.0)
    assert vector(space, {"acc": 0.4, "size": 3.0, "ms": 6.0})[0] == pytest.approx(0.2 + 0.2)


def test_each_rung_is_ranked_by_itself():
    trials = [
        Observation({}, (9.0, 9.0), ((0.0, 1.0, 2.0), (0.0, 5.0, 5.0))),
        Observation({}, (9.0, 9.0), ((0.0, 2.0, 1.0), (0.0, 4.0, 4.0))),
        Observation({}, (9.0, inf), ((0.0, 3.0, 3.0),)),
    ]
    one, two, three = (trial.values for trial in scalarised(History(trials)))
    assert one[0] == two[0] < 0 < three[0]
    assert two[1] < 0 < one[1]
    assert three[1] == inf
    assert scalarised(History(history(5))) == history(5)


def train(job: Job):
    """Two objectives that contradict each other, and a metric that is bounded."""
    for epoch in range(job.first + 1, job.last + 1):
        metrics = {
            lane.number: {
                "val/f": lane.params["x"] + 1 / epoch,
                "size": (1 - lane.params["x"]) ** 2,
                "ms": 10 * lane.params["x"],
            }
            for lane in job.lanes
        }
        yield Report(epoch, 1.0, metrics, job=job.number)


@pytest.fixture
def two(formula_space):
    return replace(
        formula_space,
        further_objectives=(Objective("size", "min"),),
        constraints=(Constraint("ms", max=8),),
    )


@pytest.mark.parametrize("sampler", ["random", "tpe", "ladder"])
def test_a_search_for_two_objectives_under_a_constraint(make_queue, two, sampler):
    queue = make_queue(space=two, trials=30, sampler=sampler)
    LocalEngine(train).run(queue)
    complete = [trial for trial in queue.trials.values() if trial.state is State.COMPLETE]
    assert len(complete) >= 3
    assert all(trial.params["x"] <= 0.8 for trial in complete)
    ends = [trial.params["x"] for trial in complete]
    assert max(ends) - min(ends) > 0.3, "the front is spread"
    best = min((t for t in queue.trials.values() if t.params["x"] <= 0.8), key=lambda t: t.values[-1])
    assert queue.best() == best
    again = make_queue(space=two, trials=30, sampler=sampler)
    assert again.trials == queue.trials
    stored = [trial for trial in queue.study.frozen_trials() if trial.number == complete[0].number]
    assert stored[0].values == [complete[0].values[-1], complete[0].metrics[-1]["size"]]


def test_the_front_is_trained_to_the_end(make_queue, two):
    """Of four trials the rule promotes one. The others of the front are finished, a dominated one is not."""
    queue = make_queue(space=two, trials=4, epochs=3)
    values = [(0.5, 0.1), (0.2, 0.5), (0.9, 0.9), (0.35, 0.3)]

    def train(job: Job):
        for epoch in range(job.first + 1, job.last + 1):
            pairs = {lane.number: values[lane.number] for lane in job.lanes}
            metrics = {number: {"val/f": f, "size": size, "ms": 1.0} for number, (f, size) in pairs.items()}
            yield Report(epoch, 1.0, metrics, job=job.number)

    LocalEngine(train).run(queue)
    assert [n for n, trial in queue.trials.items() if trial.state is State.COMPLETE] == [0, 1, 3]
    assert [trial.number for trial in winners(queue.trials)] == [1, 3, 0]


def test_a_trial_that_breaks_the_constraint_is_best_only_without_another(make_queue, two):
    narrow = replace(two, constraints=(Constraint("ms", max=-1),))
    queue = make_queue(space=narrow, trials=4)
    LocalEngine(train).run(queue)
    least = min(queue.trials.values(), key=lambda trial: trial.params["x"])
    assert queue.best() == least
