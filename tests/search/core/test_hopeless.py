"""Trials that can no longer be promoted end early, and the search ends as if they had stayed."""

import pytest

from search.core.job import Job, State
from spaces.lane import Report


def train(queue, job, overfits):
    """An engine's part: values that are worse at the last rung for some trials."""
    for epoch in range(job.first + 1, job.last + 1):
        metrics = {}
        for lane in job.lanes:
            x = lane.params["x"]
            metrics[lane.number] = {"val/f": x + overfits * (epoch == 9) * (lane.number % 2) + 0.1 / epoch}
        queue.report(Report(epoch, 1.0, metrics, job=job.number))
    queue.finish(job, job.checkpoint)


def search(queue, overfits, early):
    """Runs the queue; returns the most trials that were paused at once, and those that were stopped early."""
    most, stopped, running = 0, 0, []
    while True:
        while len(running) < queue.plan.workers and isinstance(job := queue.next_job(), Job):
            running.append(job)
        if not running:
            return most, stopped
        train(queue, running.pop(0), overfits)
        if early:
            stopped += len(queue.stop_hopeless())
        most = max(most, sum(trial.state is State.PAUSED for trial in queue.trials.values()))


@pytest.mark.parametrize("sampler", ["random", "tpe", "ladder"])
@pytest.mark.parametrize(("eta", "lanes", "workers"), [(3, 1, 1), (2, 1, 4), (3, 4, 2)])
@pytest.mark.parametrize("overfits", [0.0, 0.5])
def test_a_search_ends_alike_with_fewer_checkpoints(make_queue, sampler, eta, lanes, workers, overfits):
    sizes = {"trials": 40, "eta": eta, "lanes": lanes, "workers": workers, "sampler": sampler}
    plain, early = make_queue(**sizes, name="plain"), make_queue(**sizes, name="early")
    most, _ = search(plain, overfits, early=False)
    fewer, stopped = search(early, overfits, early=True)
    assert early.trials == plain.trials
    assert stopped and fewer < most


def test_several_objectives_keep_all_trials(make_queue, formula_space):
    from dataclasses import replace

    from spaces.space import Objective

    space = replace(formula_space, further_objectives=(Objective("val/g", "min"),))
    queue = make_queue(trials=12, epochs=3, space=space)
    while isinstance(job := queue.next_job(), Job):
        for epoch in range(job.first + 1, job.last + 1):
            metrics = {n.number: {"val/f": n.params["x"], "val/g": 1 - n.params["x"]} for n in job.lanes}
            queue.report(Report(epoch, 1.0, metrics, job=job.number))
        queue.finish(job, "c")
        assert queue.stop_hopeless() == []
