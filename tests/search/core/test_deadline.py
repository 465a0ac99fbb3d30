"""The limit of a job's epochs, and a job that hangs on the local engine."""

import threading

from search.core.deadline import FACTOR, MIN_SECONDS, Deadline
from search.core.job import State
from search.engines.local import LocalEngine
from spaces.lane import Report
from tests.formula import Formula


def test_the_limit_follows_the_slowest_epoch():
    deadline = Deadline(None)
    assert deadline.limit() is None
    deadline.epoch(Report(1, 5.0, {}))
    assert deadline.limit() == MIN_SECONDS
    deadline.epoch(Report(1, 100.0, {}))
    deadline.epoch(Report(2, 70.0, {}))
    assert deadline.limit() == FACTOR * 100.0


def test_the_users_limit_holds_from_the_start():
    deadline = Deadline(3.0)
    assert deadline.limit() == 3.0
    deadline.epoch(Report(1, 100.0, {}))
    assert deadline.limit() == 3.0


class Hanging:
    """Trial 1 hangs in its first epoch."""

    def __call__(self, job):
        if job.lanes[0].number == 1:
            threading.Event().wait()
        yield from Formula()(job)


def test_a_job_that_hangs_fails_and_the_search_goes_on(make_queue):
    queue = make_queue(trials=4, epochs=3, timeout=0.05)
    LocalEngine(Hanging()).run(queue)
    hanging = queue.trials[1]
    assert hanging.state is State.FAILED
    assert str(hanging.error).startswith("TimeoutError: no epoch in 0.05 s (job_timeout=SECONDS) (test_dead")
    assert sum(bool(trial.values) for trial in queue.trials.values()) == 3
