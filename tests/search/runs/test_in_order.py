"""A search on several workers is the same in whatever order its jobs end."""

import random

import pytest

from search.core.job import Job
from search.core.rungs import Done
from search.runs.in_order import InOrder
from tests.formula import Formula

FORMULA = Formula(diverges=0.8, raises=0.9)


def run(queue, workers, order):
    """Runs a queue on simulated workers, whose jobs end in random order; returns the jobs."""
    running, begun = [], []
    while True:
        while len(running) < workers and isinstance(job := queue.next_job(), Job):
            running.append(job)
            begun.append((job.first, job.last, [lane.number for lane in job.lanes]))
        if isinstance(job, Done):
            return begun
        job = running.pop(order.randrange(len(running)))
        try:
            for report in FORMULA(job):
                queue.report(report)
        except RuntimeError as error:
            queue.fail(job, f"RuntimeError: {error}")
        else:
            queue.finish(job, job.checkpoint)


@pytest.mark.parametrize("sampler", ["ladder", "tpe"])
@pytest.mark.parametrize("lanes", [1, 3])
def test_the_order_of_ends_makes_no_difference(make_queue, sampler, lanes):
    ends = []
    for seed in range(4):
        queue = make_queue(trials=20, lanes=lanes, workers=3, sampler=sampler, name=f"{seed}")
        begun = run(InOrder(queue, 3), 3, random.Random(seed))
        assert not queue.jobs
        ends.append((begun, queue.trials, [row["trial"] for row in queue.study.rung_rows()]))
    assert all(end == ends[0] for end in ends)


def test_without_it_the_order_makes_a_difference(make_queue):
    ends = []
    for seed in range(4):
        queue = make_queue(trials=20, workers=3, name=f"{seed}")
        run(queue, 3, random.Random(seed))
        ends.append(queue.trials)
    assert any(end != ends[0] for end in ends)
