"""The checkpoints of a search on disk: each goes when it is needed no more, and `disk` limits their room."""

import io

import pytest
from rich.console import Console

from search.core.job import State
from search.engines.local import LocalEngine
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
from tests.formula import Formula

SIZE = 1000


class Writing:
    """The formula, with a checkpoint of SIZE bytes per lane; notes the room that all take after each."""

    def __init__(self, folder):
        self.folder, self.used = folder, []
        (folder / "checkpoints").mkdir()

    def __call__(self, job):
        for report in Formula()(job):
            if report.epoch == job.last:
                (self.folder / job.checkpoint).write_bytes(bytes(SIZE * len(job.lanes)))
                self.used.append(sum(path.stat().st_size for path in self.folder.glob("checkpoints/*")))
            yield report


@pytest.fixture
def run(make_queue, tmp_path):
    """`run(disk, ...)`: a search in the test's folder; returns its queue, its training and its output."""

    def begin(disk=None, **sizes):
        folder = tmp_path / f"{disk}"
        training = Writing(folder) if not folder.mkdir() else None
        queue = make_queue(name=f"{disk}/study", **sizes)
        output = io.StringIO()
        LocalEngine(training).run(
            Recorder(queue, folder, ProgressView(Console(file=output), "", 1), disk=disk)
        )
        return queue, training, output.getvalue()

    return begin


def test_only_what_is_needed_stays(run, tmp_path):
    queue, training, output = run(trials=40, sampler="random")
    assert "checkpoints: 1 kB a trial, at most 40 kB in all" in output
    assert max(training.used) < 40 * SIZE
    kept = {trial.checkpoint for trial in queue.trials.values() if trial.state is State.COMPLETE}
    assert {f"checkpoints/{path.name}" for path in (tmp_path / "None/checkpoints").iterdir()} == kept


def test_a_limit_is_kept_and_the_search_can_go_on(run, tmp_path, make_queue):
    queue, training, output = run(disk=12 * SIZE, trials=40, sampler="random")
    assert max(training.used) <= 12 * SIZE
    assert "no room for further trials" in output
    assert 5 < len(queue.trials) < 40
    assert queue.best().state is State.COMPLETE
    begun = len(queue.trials)
    again = make_queue(name=f"{12 * SIZE}/study", trials=40, sampler="random")
    folder, view = tmp_path / f"{12 * SIZE}", ProgressView(Console(file=io.StringIO()), "", 1)
    LocalEngine(training).run(Recorder(again, folder, view, disk=12 * SIZE))
    assert len(again.trials) > begun
    assert max(training.used) <= 12 * SIZE
