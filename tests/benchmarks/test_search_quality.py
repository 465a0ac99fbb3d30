"""Searches replayed on learning curves: the score, the clock, and each way at its smallest size."""

from collections.abc import Iterator
from math import inf, nan
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import search_quality
from benchmarks.curves import TableTask
from benchmarks.scores import BUDGETS, Score, ScoreFile, report
from benchmarks.search_quality import load_groups, replay
from benchmarks.ways import WAYS, Settings
from search.core.job import Job
from search.core.queue import DONE, WAIT
from search.core.rungs import Done, Wait
from search.engines.base import Train
from search.replay.simulate import Outcome, incumbent, simulate
from spaces.lane import Lane, Report
from tests.benchmarks.bowl import EPOCHS, make_task
from tests.benchmarks.test_tasks import write_recording

SETTINGS = Settings(workers=2, grace=1)
FULL = ("random", "optuna-tpe", "optuna-gp", "syne-cqr")  # these train every trial in full

SLOW = ("syne-cqr",)


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.slow if way in SLOW else ()) for way in WAYS])
def way(request: pytest.FixtureRequest) -> str:
    """Each way, where its library is installed."""
    if request.param.startswith("syne-"):
        pytest.importorskip("syne_tune", reason="Syne Tune is not installed (the extra `peers`)")
    return str(request.param)


class OneJob:
    """A queue of one job: the full trainings of some rows."""

    def __init__(self, task: TableTask, *rows: int) -> None:
        lanes = tuple(Lane(number, task.table.configurations[row], seed=0) for number, row in enumerate(rows))
        self.jobs = [Job(1, lanes, first=0, last=task.epochs, rung=0)]
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
    row = int(np.argsort(task.table.losses)[rank])
    monkeypatch.setitem(WAYS, "one", lambda task, settings, seed, folder: OneJob(task, row))
    score = replay("one", "bowls", task, 0, SETTINGS)
    assert score.trials == 1
    assert score.final == pytest.approx([regret] * len(BUDGETS))
    assert score.observed == pytest.approx([regret] * len(BUDGETS))


def test_no_value_yet_has_the_regret_of_the_median() -> None:
    """With twenty workers the time of five full trainings ends before the first one does."""
    score = replay("random", "bowls", make_task(0), 0, Settings(workers=20))
    assert score.final[0] == 1.0
    assert score.final[-1] < 1.0


def test_incumbent() -> None:
    outcomes = [Outcome(1, 0, 0.5), Outcome(2, 1, 0.4), Outcome(3, 2, 0.4), Outcome(4, 1, nan)]
    assert incumbent(outcomes, 1, until=0.5) is None
    assert incumbent(outcomes, 1, until=1) == outcomes[0]
    assert incumbent(outcomes, 1, until=3) == outcomes[1]
    assert incumbent(outcomes, 1, until=4) == outcomes[2]  # trial 1 has diverged
    assert incumbent(outcomes, -1, until=4) == outcomes[0]


def test_clock() -> None:
    """An epoch takes its recorded seconds, a pack those of its lanes; a trial that diverges ends there."""
    task = make_task(0)
    bad = int(np.flatnonzero(np.isnan(task.table.curves[:, -1]))[0])
    good = int(task.table.losses.argmin())
    full, broken = task.table.seconds[good].sum(), task.table.seconds[bad, :3].sum()

    def times(*rows: int, until: float = inf) -> list[float]:
        return [outcome.time for outcome in simulate(OneJob(task, *rows), task.training(), 2, until)]

    assert times(good) == pytest.approx([full])
    assert times(bad) == pytest.approx([broken])
    assert times(good, bad) == pytest.approx([full + broken] * 2)
    assert times(good, until=full - 0.1) == []


@pytest.mark.parametrize("mode", ["min", "max"])
def test_each_way(way: str, mode: str, tmp_path: Path) -> None:
    """It uses each configuration once. If it stops trials early, then worse ones.

    Over three searches: one bracket of Hyperband stops none, so chance decides within a single search.
    """
    task = make_task(0, rows=20, mode=mode)
    full: list[float] = []
    stopped: list[float] = []
    for seed in range(1 if way in FULL else 3):
        (folder := tmp_path / str(seed)).mkdir()
        training = task.training()
        simulate(WAYS[way](task, SETTINGS, seed, folder), counted(training, epochs := {}), 2, until=inf)
        assert list(training.curves) == list(range(20))
        used = [curve.values[0] for curve in training.curves.values()]
        assert sorted(used) == sorted(task.table.curves[:, 0])
        healthy = {trial: curve.final for trial, curve in training.curves.items() if curve.final < inf}
        full += [loss for trial, loss in healthy.items() if epochs[trial] == EPOCHS]
        stopped += [loss for trial, loss in healthy.items() if epochs[trial] < EPOCHS]
    if way in FULL:
        assert not stopped
    else:
        assert np.mean(full) < np.mean(stopped)


def counted(training: Train, epochs: dict[int, int]) -> Train:
    """The same training; `epochs` gets those of each trial."""

    def train(job: Job) -> Iterator[Report]:
        for one in training(job):
            epochs.update(dict.fromkeys(one.metrics, one.epoch))
            yield one

    return train


@pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("ladder")])
def test_packs(way: str, tmp_path: Path) -> None:
    task = make_task(0, rows=12)
    training = task.training()
    simulate(WAYS[way](task, Settings(workers=2, grace=1, lanes=3), 5, tmp_path), training, 2, until=inf)
    assert sorted(curve.values[0] for curve in training.curves.values()) == sorted(task.table.curves[:, 0])


def test_deterministic(way: str, tmp_path: Path) -> None:
    """All times, trials and values are the same again: not the configurations alone, but each stop too."""
    task = make_task(1, rows=20)
    searches = []
    for name in ("first", "again"):
        (folder := tmp_path / name).mkdir()
        searches.append(simulate(WAYS[way](task, SETTINGS, 3, folder), task.training(), 2, until=60))
    assert len(searches[0]) > 5
    assert repr(searches[0]) == repr(searches[1])  # NaN is not equal to itself


def test_every_way_is_documented() -> None:
    for name in WAYS:
        assert f"    {name} " in str(search_quality.__doc__)


def test_report_pairs_seeds_and_leaves_out_those_without_all_tasks() -> None:
    def score(way: str, task: str, seed: int, regret: float) -> Score:
        return Score(way, "g", task, seed, 10, 0.1, (regret,) * 4, (1.0,) * 4)

    scores = [score("a", task, seed, 0.5 + seed / 10) for task in "st" for seed in (0, 1)]
    scores += [score("b", task, seed, 0.2 + seed / 10) for task in "st" for seed in (0, 1)]
    scores += [score("b", "s", 2, 0.0)]
    rows = [line.strip("| ").split(" | ") for line in report(scores, "a").splitlines()]
    assert ["a", ".55", ".55", ".55", ".55", ".55 ± .64", "2", "10", "10.0"] in rows
    assert ["b", ".25", ".25", ".25", ".25", ".25 ± .64", "2", "10", "10.0"] in rows
    assert ["b", *["-.30 ± .00"] * 5] in rows


def test_score_file_drops_a_torn_line_and_refuses_other_settings(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    score = Score("random", "g", "t", 0, 3, 0.1, (1.0, 0.5, 0.2, 0.0), (1.0, 0.5, 0.2, 0.0))
    ScoreFile(path, {"workers": 4}).append(score)
    path.write_text(path.read_text() + '["random", "g"')
    file = ScoreFile(path, {"workers": 4})
    assert file.read() == [score]
    file.append(score)
    assert file.read() == [score, score]
    with pytest.raises(ValueError, match="has scores of other settings"):
        ScoreFile(path, {"workers": 2})


def test_smallest_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        write_recording(tmp_path / f"bowl-{seed}.parquet", make_task(seed))
    scores = tmp_path / "scores.jsonl"
    command = [f"recorded={tmp_path}", "--seeds", "2", "--processes", "1", "--json", str(scores)]
    search_quality.main([*command, "--ways", "random"])
    first = scores.read_text()
    assert len(first.splitlines()) == 1 + 2 * 2
    search_quality.main([*command, "--ways", "random,ladder-random"])
    assert scores.read_text().startswith(first)  # these searches were not run again
    assert len(scores.read_text().splitlines()) == 1 + 2 * 2 * 2
    output = capsys.readouterr().out
    assert "## recorded (2 tasks)" in output
    rows = [line.split(" | ") for line in output.splitlines() if line.startswith("| ladder-random")]
    assert [len(row) for row in rows] == [9, 6] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smooth", "--ways", "random,best"], "--ways: best: not one of random,"),
        (["taskset"], "taskset is no group, which is smooth, or KIND=FOLDER with taskset"),
        (["smooth=folder"], "smooth=folder is no group"),
        (["recorded=nowhere"], "nowhere holds no Parquet file"),
        (["taskset=benchmarks/data"], "is no task of TaskSet: it has no column 'epsilon'"),
        (["smooth", "--workers", "0"], "--workers: invalid positive value: '0'"),
    ],
)
def test_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        search_quality.main(arguments)
    assert message in capsys.readouterr().err


def test_a_group_given_twice(tmp_path: Path) -> None:
    write_recording(tmp_path / "bowl.parquet", make_task(0))
    with pytest.raises(ValueError, match="recorded is given twice"):
        load_groups([f"recorded={tmp_path}", f"recorded={tmp_path}"])


def test_no_recording(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="is no recording of learning curves"):
        load_groups([f"recorded={tmp_path}"])


def test_taskset(shared_data: Path) -> None:
    if not (shared_data / "taskset").is_dir():
        pytest.skip("TaskSet is not there")
    tasks = load_groups([f"taskset={shared_data / 'taskset'}"])["taskset"]
    assert len(tasks) == 6
    scores = []
    for task in tasks:
        assert isinstance(task, TableTask)
        assert task.table.curves.shape == (1000, 51)
        assert task.seconds == 51
        assert all(task.space.holds(params) for params in task.table.configurations)
        scores.append(replay("random", "taskset", task, 0, Settings()))
    means = np.mean([score.final for score in scores], axis=0)
    assert (np.diff(means) <= 0).all()
    assert 0 < means[-1] < means[0] < 1
