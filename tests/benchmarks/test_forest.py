"""Tables that answer any configuration: with whole recorded curves, and close to the truth."""

import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from benchmarks.forest import ForestTask, middles
from benchmarks.search_quality import load_groups
from benchmarks.tasks import Task
from tests.benchmarks.bowl import EPOCHS, bowl_space, floor, make_task, write_recording

ROWS = 300


@pytest.fixture(scope="module", params=["min", "max"])
def task(request: pytest.FixtureRequest) -> ForestTask:
    return ForestTask(make_task(0, ROWS, request.param))


def sampled(task: Task, count: int) -> list[dict]:
    rng = random.Random(1)
    return [task.space.sample(rng) for _ in range(count)]


def test_a_recorded_configuration_has_its_own_curve(task: ForestTask) -> None:
    table = task.table
    assert np.isinf(table.losses).sum() == ROWS // 10
    answers = [task.answers()(params) for params in table.configurations]
    assert np.array_equal([answer.final for answer in answers], table.losses)
    finite = np.isfinite(table.losses)
    for answer, curve, seconds in zip(answers, table.curves, table.seconds, strict=True):
        if np.isfinite(answer.final):
            assert (answer.values == curve).all() and (answer.seconds == seconds).all()
    assert task.regret(table.losses.min()) == 0
    assert np.mean([task.regret(loss) == 1 for loss in table.losses[finite]]) == pytest.approx(0.45, abs=0.02)


def test_other_configurations_have_recorded_curves_like_their_true_ones(task: ForestTask) -> None:
    new, sign = sampled(task, 200), task.space.objective.sign
    answers = [task.answers()(params) for params in new]
    curves = {tuple(curve) for curve in np.nan_to_num(task.table.curves)}
    assert {tuple(np.nan_to_num(answer.values)) for answer in answers} <= curves
    finals = [answer.final for answer in answers]
    finite = np.isfinite(finals)
    assert [sign * answer.values[-1] for answer in answers if np.isfinite(answer.final)] == [
        final for final in finals if np.isfinite(final)
    ]
    truth = np.array([floor(params) for params in new])
    assert spearmanr(truth[finite], np.array(finals)[finite]).statistic > 0.9


def test_an_answer_depends_on_the_configuration_alone(task: ForestTask) -> None:
    first, second = task.answers(), task.answers()
    for params in sampled(task, 20):
        expected = first(params)
        for again in (first(params), second(params)):
            assert again.final == expected.final
            assert np.array_equal(again.values, expected.values, equal_nan=True)


def test_a_cliff_and_divergence_stay() -> None:
    """Where a whole region diverges, configurations inside diverge and others do not."""
    plain = make_task(0, ROWS)
    table = plain.table
    x = np.array([params["x"] for params in table.configurations])
    table.curves[:] = np.where(x[:, None] > 0.8, np.nan, np.nan_to_num(table.curves, nan=0.5))
    table.losses[:] = np.where(x > 0.8, np.inf, table.curves[:, -1])
    cliff = ForestTask(plain)
    for params in sampled(cliff, 100):
        if abs(params["x"] - 0.8) > 0.05:
            assert np.isinf(cliff.curve(params).final) == (params["x"] > 0.8)


def test_middles() -> None:
    """Leaf 1 has the rows 0, 3, and 4; leaf 2 the rows 1 and 2; node 0 is no leaf."""
    assert middles(np.array([1, 2, 2, 1, 1]), 3).tolist() == [0, 3, 2]


def test_group(tmp_path: Path) -> None:
    write_recording(tmp_path / "some.parquet", make_task(0))
    (task,) = load_groups([f"recorded-forest={tmp_path}"])["recorded-forest"]
    assert isinstance(task, ForestTask)
    assert (task.name, task.epochs) == ("some", EPOCHS)
    assert task.space.params == bowl_space().params
    configuration = task.table.configurations[3]
    assert task.curve(configuration).final == task.table.losses[3]


def test_ranks_keep_their_order_on_the_way(task: ForestTask) -> None:
    """Values at an early epoch foretell the last ones as well as in the table."""

    def correlation(curves: np.ndarray) -> float:
        finite = curves[np.isfinite(curves[:, -1])]
        return float(spearmanr(rankdata(finite[:, 1]), rankdata(finite[:, -1])).statistic)

    answered = np.array([task.curve(params).values for params in sampled(task, 200)])
    assert correlation(answered) == pytest.approx(correlation(task.table.curves), abs=0.05)
