"""A queue that trains one trial only, and the others as they were."""

from search.core.job import State
from search.core.queue import DONE, WAIT
from search.core.rungs import Done
from spaces.lane import Report
from tests.search.core.test_queue import finish


def test_the_only_trial_reaches_the_last_rung_and_the_others_stay_as_they_are(make_queue):
    queue = make_queue(trials=9)
    for value in (0.3, 0.9, 0.5):
        finish(queue, queue.next_job(), value)
    before = dict(queue.trials)
    again = make_queue(trials=9, only=1)  # the worst
    jobs = []
    while not isinstance(job := again.next_job(), Done):
        assert again.next_job() is WAIT
        jobs.append((job.lanes[0].number, job.first, job.last))
        finish(again, job, 0.9)
        assert again.stop_hopeless() == []
    assert jobs == [(1, 1, 3), (1, 3, 9)]
    assert again.trials[1].state is State.COMPLETE
    assert [again.trials[number] for number in (0, 2)] == [before[0], before[2]]


def test_the_only_trial_may_diverge_or_fail(make_queue):
    for name, end in (("a", lambda queue, job: queue.fail(job, "RuntimeError: no")), ("b", diverge)):
        queue = make_queue(trials=9, name=name)
        finish(queue, queue.next_job(), 0.3)
        queue = make_queue(trials=9, only=0, name=name)
        end(queue, queue.next_job())
        assert queue.next_job() is DONE


def diverge(queue, job):
    number, epoch = job.lanes[0].number, job.first + 1
    queue.report(Report(epoch, 1.0, {number: {"val/f": float("nan")}}, frozenset({number}), job=job.number))
    assert queue.next_job() is WAIT
    queue.finish(job, "unused")


def test_a_configuration_by_hand_takes_the_place_of_no_known_point(make_queue, formula_space):
    points = [formula_space.point({"x": x}) for x in (0.25, 0.5, 0.75)]
    queue = make_queue(trials=5, known=tuple(points))
    finish(queue, queue.next_job())
    queue.study.create([points[2]])
    again = make_queue(trials=5, known=tuple(points))
    jobs = [again.next_job() for _ in range(2)]
    assert [job.lanes[0].params for job in jobs] == [points[2], points[1]]
