"""Searches replayed on learning curves: the score and the clock, and each way at its smallest size."""

import json
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search_quality
from benchmarks.curves import TASKSET_PARAMS, CurveTable, Task, load_taskset
from benchmarks.search_quality import (
    BUDGETS,
    WAYS,
    Outcome,
    Settings,
    incumbent,
    replay,
    replay_all,
    simulate,
)
from search.core.job import Job
from search.core.queue import DONE, WAIT
from search.core.rungs import Done, Wait
from spaces.lane import Lane, Report
from spaces.params import Range
from spaces.space import Objective, Space

EPOCHS = 9
SETTINGS = Settings(workers=2, grace=1)


def make_task(seed: int, rows: int = 40, mode: str = "min") -> Task:
    """Curves that fall to a bowl over two parameters; a tenth of them diverges in the third epoch."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(size=(rows, 2))
    floor = ((points - 0.3) ** 2).sum(axis=1)
    curves = floor[:, None] + 1 / np.arange(1, EPOCHS + 1)
    curves[rng.choice(rows, rows // 10, replace=False), 2:] = nan
    space = Space(
        name=f"bowl-{seed}",
        about="",
        trainable="none:None",
        data="none:None",
        objective=Objective("val/f", mode),  # type: ignore[arg-type]
        params={"x": Range(0.0, 1.0), "lr": Range(1e-3, 1.0, log=True)},
    )
    configurations = tuple({"x": float(x), "lr": float(1e-3 ** (1 - u))} for x, u in points)
    return Task(space.name, space, configurations, curves if mode == "min" else -curves)


class OneTrial:
    """A queue of one full training: of row `row`."""

    def __init__(self, task: Task, row: int) -> None:
        lane = Lane(0, task.configurations[row], seed=0)
        self.jobs = [Job(1, (lane,), first=0, last=task.epochs, rung=0)]
        self.running = 0

    def next_job(self) -> Job | Wait | Done:
        if self.jobs:
            self.running += 1
            return self.jobs.pop()
        return WAIT if self.running else DONE

    def report(self, report: Report) -> None:
        pass

    def finish(self, job: Job, checkpoint: str) -> None:
        self.running -= 1

    def fail(self, job: Job, error: str) -> None:
        raise AssertionError(error)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("rank", "regret"), [(0, 0.0), (20, 1.0), (30, 1.0), (39, 1.0)])
def test_regret_of_an_oracle_and_of_the_median(
    mode: str, rank: int, regret: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(0, mode=mode)
    row = int(np.argsort(task.losses[:, -1])[rank])
    monkeypatch.setitem(WAYS, "one", lambda task, settings, seed, folder: OneTrial(task, row))
    score = replay("one", task, 0, SETTINGS)
    assert score.trials == 1
    assert score.final == pytest.approx([regret] * len(BUDGETS))
    assert score.observed == pytest.approx([regret] * len(BUDGETS))


def test_no_value_yet_has_the_regret_of_the_median() -> None:
    """With ten workers the time of five full trainings ends before the first one does."""
    score = replay("random", make_task(0), 0, Settings(workers=10))
    assert score.final[0] == 1.0
    assert score.final[-1] < 1.0


def test_incumbent() -> None:
    outcomes = [Outcome(1, 0, 0.5), Outcome(2, 1, 0.4), Outcome(3, 2, 0.4), Outcome(4, 1, nan)]
    assert incumbent(outcomes, 1, until=0.5) is None
    assert incumbent(outcomes, 1, until=1) == outcomes[0]
    assert incumbent(outcomes, 1, until=3) == outcomes[1]
    assert incumbent(outcomes, 1, until=4) == outcomes[2]  # trial 1 has diverged
    assert incumbent(outcomes, -1, until=4) == outcomes[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lanes", [1, 3])
def test_each_configuration_is_used_once(way: str, lanes: int, tmp_path: Path) -> None:
    task = make_task(0, rows=12)
    table = CurveTable(task)
    queue = WAYS[way](task, Settings(workers=2, grace=1, lanes=lanes), 5, tmp_path)
    outcomes = simulate(queue, table, 2, until=inf)
    assert sorted(table.rows) == list(range(12))
    assert sorted(table.rows.values()) == list(range(12))
    last = {outcome.trial: outcome.value for outcome in outcomes}
    for trial, value in last.items():
        assert np.isnan(value) or value in task.curves[table.rows[trial]]


def test_nearest_free_row() -> None:
    task = make_task(0)
    table = CurveTable(task)
    params = task.configurations[7]
    assert table.row(0, params) == 7
    assert table.row(0, params) == 7  # the same trial
    order = np.argsort(((task.points - task.points[7]) ** 2).sum(axis=1))
    assert [table.row(trial, params) for trial in (1, 2)] == order[1:3].tolist()


def test_clock() -> None:
    """An epoch of one trial takes a second, and a trial that diverges ends there."""
    task = make_task(0)
    bad = int(np.flatnonzero(np.isnan(task.curves[:, -1]))[0])
    good = int(task.losses[:, -1].argmin())
    assert [o.time for o in simulate(OneTrial(task, bad), CurveTable(task), 2, inf)] == [3.0]
    assert [o.time for o in simulate(OneTrial(task, good), CurveTable(task), 2, inf)] == [9.0]
    assert simulate(OneTrial(task, good), CurveTable(task), 2, until=8.5) == []


@pytest.mark.parametrize("way", WAYS)
def test_deterministic(way: str) -> None:
    first, again = (replay(way, make_task(1, rows=12), 3, SETTINGS) for _ in range(2))
    assert (first.final, first.observed) == (again.final, again.observed)


def test_task_without_a_scale() -> None:
    task = make_task(0)
    with pytest.raises(ValueError, match="median configuration ends at inf"):
        Task("lost", task.space, task.configurations, np.where(task.losses < 0.2, task.curves, nan))


def test_smallest_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [make_task(0), make_task(1)]
    monkeypatch.setattr(search_quality, "load_taskset", lambda folder: tasks)
    file = tmp_path / "scores.json"
    options = ["--seeds", "2", "--ways", "random,ladder-tpe", "--processes", "1", "--grace", "1"]
    search_quality.main([str(tmp_path), *options, "--json", str(file)])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:4]] == ["| random", "| ladder-tpe"]
    assert {len(row) for row in rows} == {9}
    scores = json.loads(file.read_text())["scores"]
    assert len(scores) == 2 * 2 * 2
    assert all(0 <= value <= 1 for score in scores for value in score["final"])


def test_unknown_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        search_quality.main([str(tmp_path), "--ways", "random,best"])
    assert "--ways: best: not one of random," in capsys.readouterr().err


def test_no_taskset(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no Parquet file"):
        load_taskset(tmp_path)


def test_taskset(shared_data: Path) -> None:
    if not (shared_data / "taskset").is_dir():
        pytest.skip("TaskSet is not there")
    tasks = load_taskset(shared_data / "taskset")
    assert len(tasks) == 6
    for task in tasks:
        assert task.curves.shape == (1000, 51)
        assert task.points.shape == (1000, len(TASKSET_PARAMS))
        assert all(task.space.holds(params) for params in task.configurations)
    scores = replay_all(["random"], tasks, 1, Settings(), processes=1)
    means = np.mean([score.final for score in scores], axis=0)
    assert (np.diff(means) <= 0).all()
    assert 0 < means[-1] < means[0] < 1
