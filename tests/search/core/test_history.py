"""The sorted history against its definitions, and that a decision takes no longer after many trials."""

import random
import sys
from dataclasses import replace
from math import inf

import pytest

from search.core.history import History, Observation
from search.core.job import State
from search.core.rungs import Done, interrupted, promotable
from search.core.trials import Trials
from spaces.lane import Report
from tests.formula import Formula

ETA = 3


def changes(seed: int, earlier: int = 0):
    """A history, after each of many random changes of its trials."""
    rng = random.Random(seed)
    history = History(earlier=[Observation({}, (rng.random(),)) for _ in range(earlier)])
    for step in range(400):
        idle = [n for n in range(history.first, len(history)) if not history[n].failed]
        if len(idle) < 5 or rng.random() < 0.2:
            history.put(len(history), Observation({}, busy=rng.random() < 0.9))
        else:
            number = rng.choice(idle)
            old = history[number]
            if not old.busy and len(old.values) < 3 and not old.diverged:
                history.put(number, replace(old, busy=True))
            elif old.busy:
                value = inf if rng.random() < 0.1 else rng.randrange(10) / 10
                new = replace(old, values=(*old.values, value), order=(*old.order, step), busy=False)
                history.put(number, rng.choice([new, new, new, replace(old, busy=False, failed=True)]))
        yield history


@pytest.mark.parametrize("earlier", [0, 7])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_sorted_is_what_the_trials_say(seed, earlier):
    for history in changes(seed, earlier):
        own = dict(enumerate(history[earlier:]))
        for rung in range(3):
            values = {n: one.values for n, one in own.items() if len(one.values) > rung and not one.failed}
            top = sorted(values, key=lambda n: (values[n][rung], n))[: len(values) // ETA]
            expected = [
                n for n in top if len(values[n]) == rung + 1 and not own[n].busy and values[n][rung] < inf
            ]
            assert promotable(history, rung, ETA) == tuple(expected)
            ranked = [(one.values[rung], n) for n, one in enumerate(history) if len(one.values) > rung]
            assert history.ranked[rung] == sorted(ranked)
        lost = [n for n, one in own.items() if not (one.values or one.busy or one.failed)]
        assert interrupted(history) == tuple(lost)
        assert history.busy == [n for n, one in enumerate(history) if one.busy]


def test_a_history_made_at_once_is_one_that_grew():
    *_, history = changes(seed=5, earlier=4)
    again = History(history[4:], history[:4])
    assert again == history
    assert vars(again) == vars(history)


def test_a_history_is_taken_as_it_is():
    history = History([Observation({}, (1.0,))])
    assert History.of(history) is history
    assert History.of(list(history)) == history


def test_the_best_trial_follows_each_change(make_queue):
    queue = make_queue(trials=40)
    while not isinstance(job := queue.next_job(), Done):
        for report in Formula(diverges=0.9)(job):
            queue.report(report)
        queue.finish(job, job.checkpoint)
        valued = [one for one in queue.trials.values() if one.values and one.state is not State.DIVERGED]
        assert queue.best() == min(valued, key=lambda one: (one.values[-1], one.number), default=None)
    again = Trials(queue.space, queue.study.trials(), ())
    assert again == queue.trials
    assert again.best() == queue.best()
    assert (again.history, again.valued) == (queue.trials.history, queue.trials.valued)
    assert again.history.log == queue.trials.history.log


def steps_of_a_decision(queue) -> int:
    """Instructions of the interpreter that run in the core from one decision to the next."""
    steps = 0

    def trace(frame, event, argument):
        nonlocal steps
        if "search/core" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        job = queue.next_job()
        for report in Formula()(job):
            queue.report(report)
        queue.finish(job, job.checkpoint)
        queue.best()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_a_decision_takes_no_more_steps_after_many_trials(make_queue, sampler):
    queue = make_queue(trials=600, sampler=sampler)
    counted = {50: 0, 500: 0}
    for end in counted:
        while len(queue.trials) < end:
            job = queue.next_job()
            for report in Formula()(job):
                queue.report(report)
            queue.finish(job, job.checkpoint)
        counted[end] = max(steps_of_a_decision(queue) for _ in range(8))
    assert counted[500] < 1.5 * counted[50]


@pytest.mark.parametrize("sampler", ["ladder", "gp", "tpe"])
def test_a_lane_that_diverged_is_not_in_training_while_its_pack_is(make_queue, sampler):
    """It has a value more than there are rungs on the way to the last one."""
    queue = make_queue(trials=60, epochs=3, sampler=sampler, lanes=2, workers=2)
    while (job := queue.next_job()).rung == 0 or len(job.lanes) < 2:
        for report in Formula()(job):
            queue.report(report)
        queue.finish(job, job.checkpoint)
    gone = job.lanes[0].number
    metrics = {lane.number: {"val/f": float("nan") if lane.number == gone else 0.1} for lane in job.lanes}
    queue.report(Report(2, 1.0, metrics, frozenset({gone}), job=job.number))
    assert queue.next_job().lanes
    assert [queue.trials[lane.number].state for lane in job.lanes] == [State.DIVERGED, State.RUNNING]
    assert gone not in queue.trials.history.busy


def test_a_search_waits_for_a_job_whose_lanes_have_all_diverged(make_queue):
    queue = make_queue(trials=1)
    job = queue.next_job()
    queue.report(Report(1, 1.0, {0: {"val/f": float("nan")}}, frozenset({0}), job=job.number))
    assert not isinstance(queue.next_job(), Done)
    queue.finish(job, "unused")
    assert isinstance(queue.next_job(), Done)
