"""What follows from jobs that failed, did not fit in memory, or lost their worker."""

import json
from math import inf

import pytest

from search.core.job import Job, State, Trial
from search.core.queue import DONE
from search.core.retries import MAX_FIRST_LOSSES, MAX_RETRIES, Retries
from search.engines.local import LocalEngine
from spaces.lane import EngineError, Lane, OutOfMemory
from spaces.messages import describe
from tests.formula import Formula
from tests.search.core.test_queue import finish

RUNGS = (1, 3)


def numbers(job):
    return [lane.number for lane in job.lanes]


def test_a_lost_job_is_tried_again(make_queue):
    queue = make_queue(trials=3, epochs=3)
    finish(queue, queue.next_job())
    job = queue.next_job()
    for _ in range(MAX_RETRIES):
        queue.lose(job, "the worker died")
        assert queue.trials[1].state is State.PAUSED
        job = queue.next_job()
        assert numbers(job) == [1]
    queue.lose(job, "the worker died")
    assert (queue.trials[1].state, queue.trials[1].error) == (State.FAILED, "the worker died")
    LocalEngine(Formula()).run(queue)
    assert make_queue(trials=3, epochs=3).trials == queue.trials


def test_a_pack_that_is_lost_again_and_again_is_tried_in_parts(make_queue):
    queue = make_queue(trials=4, epochs=1, lanes=2)
    finish(queue, queue.next_job())
    for _ in range(MAX_RETRIES + 1):
        job = queue.next_job()
        assert set(numbers(job)) == {2, 3}
        queue.lose(job, "the worker died")
    again = make_queue(trials=4, epochs=1, lanes=2)  # a process that was killed then knows it too
    for resumed in (queue, again):
        assert [len(numbers(resumed.next_job())) for _ in range(2)] == [1, 1]


def test_workers_that_all_die_at_the_start_end_the_search(make_queue):
    queue = make_queue(trials=20)
    jobs = [queue.next_job() for _ in range(MAX_FIRST_LOSSES)]
    for job in jobs:
        queue.lose(job, "no such file: libcuda.so")
    with pytest.raises(EngineError, match="first workers have all died: no such file"):
        queue.next_job()
    again = make_queue(trials=20)
    LocalEngine(Formula()).run(again)
    assert not any(trial.state is State.FAILED for trial in again.trials.values())


def pack(last, kind="a"):
    """A job of four trials of one kind to epoch `last`."""
    lanes = tuple(Lane(number, {"x": 0.5, "kind": kind}, 0) for number in range(4))
    return Job(1, lanes, first=0, last=last, rung=RUNGS.index(last))


def trials(kind="a"):
    return [Trial(number, {"x": 0.5, "kind": kind}) for number in range(4)]


def test_a_trial_of_a_broken_pack_is_alone_up_to_its_next_rung_only():
    retries = Retries(("kind",))
    retries.failed(pack(1), "RuntimeError: once")
    assert retries.pack(0, trials(), 4) == trials()[:1]
    assert retries.pack(1, trials(), 4) == trials()
    assert Retries(("kind",), retries.plain()).pack(0, trials(), 4) == trials()[:1]  # after a kill too


def test_the_size_that_fits_in_memory_is_that_of_a_rung_and_a_structure():
    retries = Retries(("kind",))
    retries.failed(pack(1), describe(OutOfMemory("too large")))
    assert retries.pack(0, trials(), 4) == trials()[:2]
    assert retries.pack(1, trials(), 4) == trials()
    assert retries.pack(0, trials("b"), 4) == trials("b")
    again = Retries(("kind",), json.loads(json.dumps(retries.plain())))
    assert again.pack(0, trials(), 4) == trials()[:2]


def test_a_pack_is_halved_until_it_fits_in_memory(make_queue):
    queue = make_queue(trials=24, epochs=1, lanes=8)
    sizes = []
    while isinstance(job := queue.next_job(), Job):
        sizes.append(len(job.lanes))
        if len(job.lanes) > 2:
            queue.fail(job, describe(OutOfMemory("too large")))
        else:
            finish(queue, job)
    assert job is DONE
    assert sizes[:3] == [8, 4, 2]
    assert sum(size > 2 for size in sizes) <= 4  # twice for each kind
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}


def test_a_trial_that_does_not_fit_alone_has_failed_and_the_sampler_knows(make_queue):
    queue = make_queue(trials=3, epochs=3)
    finish(queue, queue.next_job())
    queue.fail(queue.next_job(), describe(OutOfMemory("too large")))
    assert (queue.trials[1].state, queue.trials[1].error) == (State.FAILED, "OutOfMemory: too large")
    observed = queue.trials.history[1]
    assert (observed.values, observed.failed, observed.diverged) == ((inf,), False, True)


def test_a_promoted_trial_that_does_not_fit_is_known_after_a_kill(make_queue):
    queue = make_queue(trials=6, epochs=3)
    for _ in range(3):
        finish(queue, queue.next_job())
    promotion = queue.next_job()
    assert promotion.first == 1
    queue.fail(promotion, describe(OutOfMemory("too large")))
    again = make_queue(trials=6, epochs=3)
    assert again.trials == queue.trials
    assert again.trials.history == queue.trials.history
    assert again.trials.history.log == queue.trials.history.log
    LocalEngine(Formula()).run(again)
    assert again.best().state is State.COMPLETE
