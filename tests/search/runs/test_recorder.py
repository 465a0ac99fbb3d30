"""The recorder: which checkpoints it keeps while a search runs."""

import io

import pytest
from rich.console import Console

from search.core.rungs import Done
from search.runs.checkpoints import KEEPING
from search.runs.recorder import Recorder
from search.watch.progress import ProgressView
from tests.formula import Formula


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_checkpoint_stays_as_long_as_a_trial_of_its_pack_needs_it(make_queue, tmp_path, lanes):
    (tmp_path / "checkpoints").mkdir()
    view = ProgressView(Console(file=io.StringIO()), "formula", 2)
    jobs, deleted = 0, set()
    while True:
        queue = make_queue(trials=30, lanes=lanes, workers=2)  # resumed after every ten jobs
        recorder = Recorder(queue, tmp_path, view)
        for _ in range(10):
            if isinstance(job := recorder.next_job(), Done):
                break
            for report in Formula(diverges=0.9)(job):
                recorder.report(report)
            (tmp_path / job.checkpoint).touch()
            recorder.finish(job, job.checkpoint)
            jobs += 1
            used = {trial.checkpoint for trial in queue.trials.values() if trial.state in KEEPING}
            kept = {f"checkpoints/{path.name}" for path in (tmp_path / "checkpoints").iterdir()}
            assert used - {None} <= kept
            starts = {lane.start for lane in job.lanes if lane.start}
            assert starts & kept <= used
            deleted |= starts - kept
        if isinstance(job, Done):
            break
    assert jobs > 10 and deleted
