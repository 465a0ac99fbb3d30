"""The queue: what each verb does to the trials, and that a resumed queue is the queue."""

import fcntl
import gc

import pytest

from search.core.job import Job, State, Trial, common_structure_first
from search.core.queue import DONE, MAX_FIRST_FAILURES, WAIT
from search.core.rungs import Done
from search.engines.local import LocalEngine
from spaces.lane import Report
from tests.formula import Formula


def finish(queue, job, value=None):
    """Plays an engine: reports each epoch of the job and finishes it."""
    for epoch in range(job.first + 1, job.last + 1):
        metrics = {lane.number: {"val/f": lane.params["x"] if value is None else value} for lane in job.lanes}
        queue.report(Report(epoch, 1.0, metrics, job=job.number))
    queue.finish(job, f"checkpoint-{job.number}")


def test_states_after_each_verb(make_queue):
    queue = make_queue(trials=3, epochs=3)
    jobs = [queue.next_job() for _ in range(3)]
    assert [(job.first, job.last) for job in jobs] == [(0, 1)] * 3
    assert {trial.state for trial in queue.trials.values()} == {State.RUNNING}
    assert queue.next_job() is WAIT
    for job, value in zip(jobs, (0.5, 0.2, 0.9), strict=True):
        finish(queue, job, value)
    assert {trial.state for trial in queue.trials.values()} == {State.PAUSED}
    best = queue.next_job()
    assert (best.lanes[0].number, best.first, best.last) == (1, 1, 3)
    assert best.lanes[0].start == f"checkpoint-{jobs[1].number}"
    finish(queue, best, 0.1)
    assert queue.trials[1].state is State.COMPLETE
    assert queue.next_job() is DONE
    assert [queue.trials[n].state for n in range(3)] == [State.STOPPED, State.COMPLETE, State.STOPPED]
    assert queue.best() == queue.trials[1]


def test_a_diverged_lane_ends_and_counts_as_finished(make_queue):
    queue = make_queue(trials=3, epochs=3)
    jobs = [queue.next_job() for _ in range(3)]
    queue.report(Report(1, 1.0, {0: {"val/f": float("nan")}}, frozenset({0}), job=jobs[0].number))
    assert queue.trials[0].state is State.DIVERGED
    assert "epoch 1" in queue.trials[0].error
    queue.finish(jobs[0], "unused")
    finish(queue, jobs[1], 0.3)
    finish(queue, jobs[2], 0.4)
    assert queue.next_job().lanes[0].number == 1  # three have finished, so one goes up


def test_a_failed_trial_does_not_count(make_queue):
    queue = make_queue(trials=3, epochs=3)
    jobs = [queue.next_job() for _ in range(3)]
    queue.fail(jobs[0], "RuntimeError: no")
    finish(queue, jobs[1], 0.3)
    finish(queue, jobs[2], 0.4)
    best = queue.next_job()  # two are too few for a promotion, but the best is finished at the end
    assert [lane.number for lane in best.lanes] == [1]
    finish(queue, best, 0.2)
    assert queue.next_job() is DONE
    assert [queue.trials[n].state for n in range(3)] == [State.FAILED, State.COMPLETE, State.STOPPED]
    assert queue.trials[0].error == "RuntimeError: no"


def test_the_best_of_few_trials_is_finished(make_queue):
    """Of nine trials three reach epoch 3 and one epoch 9; of two, the better one is finished all the same."""
    for trials in (1, 2, 5, 9):
        queue = make_queue(trials=trials, name=str(trials))
        LocalEngine(Formula()).run(queue)
        assert queue.best().state is State.COMPLETE
        assert sum(trial.state is State.COMPLETE for trial in queue.trials.values()) == 1


def test_a_best_trial_that_diverges_gives_way_to_the_next(make_queue):
    queue = make_queue(trials=2, epochs=3)
    jobs = [queue.next_job() for _ in range(2)]
    finish(queue, jobs[0], 0.3)
    finish(queue, jobs[1], 0.4)
    best = queue.next_job()
    queue.report(Report(2, 1.0, {0: {"val/f": float("nan")}}, frozenset({0}), job=best.number))
    queue.finish(best, "unused")
    second = queue.next_job()
    assert [lane.number for lane in second.lanes] == [1]
    finish(queue, second, 0.4)
    assert queue.next_job() is DONE


def test_gives_up_when_nothing_works(make_queue):
    queue = make_queue(trials=100)
    LocalEngine(Formula(raises=-1.0)).run(queue)
    assert len(queue.trials) == MAX_FIRST_FAILURES
    assert str(queue.trials[0].error).startswith("RuntimeError: x is too large for this formula (formula.py:")


def test_counts_of_a_whole_search(make_queue):
    queue = make_queue(trials=27, epochs=9)
    LocalEngine(Formula()).run(queue)
    reached = [sum(len(trial.values) > rung for trial in queue.trials.values()) for rung in range(3)]
    assert reached[0] == 27
    assert reached[1] >= 9
    assert reached[2] >= 3
    assert queue.best().values[-1] == min(trial.values[-1] for trial in queue.trials.values())


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_equal_seeds_give_equal_searches(make_queue, tmp_path, sampler):
    seen = []
    for _ in range(2):
        (tmp_path / "study.log").unlink(missing_ok=True)
        queue = make_queue(trials=20, sampler=sampler)
        LocalEngine(Formula()).run(queue)
        seen.append(queue.trials)
    assert seen[0] == seen[1]
    (tmp_path / "study.log").unlink()
    other = make_queue(trials=20, seed=1, sampler=sampler)
    LocalEngine(Formula()).run(other)
    assert other.trials != seen[0]


@pytest.mark.parametrize("jobs_before", [1, 5, 17, 24])
def test_a_resumed_search_ends_like_an_uninterrupted_one(make_queue, tmp_path, jobs_before):
    whole = make_queue(trials=20)
    LocalEngine(Formula()).run(whole)
    (tmp_path / "study.log").unlink()
    cut = make_queue(trials=20)
    for _ in range(jobs_before):
        job = cut.next_job()
        if not isinstance(job, Job):
            break
        for report in Formula()(job):
            cut.report(report)
        cut.finish(job, f"checkpoints/trial-{job.lanes[0].number:05}-epoch-{job.last}.safetensors")
    cut.next_job()  # this job is lost with the process
    resumed = make_queue(trials=20)
    LocalEngine(Formula()).run(resumed)
    assert resumed.trials == whole.trials
    assert make_queue(trials=20).trials == whole.trials  # and so it is in the journal


def test_a_journal_torn_by_a_kill_is_mended(make_queue, tmp_path):
    queue = make_queue(trials=9)
    LocalEngine(Formula()).run(queue)
    journal = tmp_path / "study.log"
    with open(journal, "ab") as file:
        file.write(b'{"op_code":5,"worker_id":"gone","tri')
    (tmp_path / "study.log.lock").symlink_to(journal)
    again = make_queue(trials=10)
    assert again.trials == queue.trials
    LocalEngine(Formula()).run(again)
    assert make_queue(trials=10).trials == again.trials


@pytest.mark.parametrize("interrupted", [fcntl.LOCK_EX, fcntl.LOCK_UN])
def test_an_interrupt_amid_the_journal_is_an_interrupt(make_queue, monkeypatch, interrupted):
    flock = fcntl.flock

    def interrupt(file, operation):
        flock(file, operation)
        if operation == interrupted:
            raise KeyboardInterrupt

    def broken_off():
        queue = make_queue(trials=9)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(fcntl, "flock", interrupt)
            queue.next_job()
        assert queue.study.epoch_rows() == []  # as for the tables that a search ends with

    broken_off()
    gc.collect()  # as a process's end does, this gives the lock back
    again = make_queue(trials=9)
    LocalEngine(Formula()).run(again)
    assert make_queue(trials=9).trials == again.trials


def test_the_study_gives_back_what_the_queue_knew(make_queue):
    queue = make_queue(trials=9)
    LocalEngine(Formula(diverges=0.9)).run(queue)
    again = make_queue(trials=9)
    assert again.trials == queue.trials
    rows = again.study.epoch_rows()
    assert len(rows) == sum(trial.epochs for trial in queue.trials.values())
    assert all(row["seconds"] == 0.5 for row in rows)


def test_packs_take_the_trials_that_are_ready(make_queue):
    queue = make_queue(trials=10, epochs=3, lanes=4)
    sizes = []
    for _ in range(3):
        sizes.append(queue.next_job())
    assert [len(job.lanes) for job in sizes] == [4, 4, 2]
    assert queue.next_job() is WAIT
    for job in sizes:
        finish(queue, job)
    up = queue.next_job()
    assert len(up.lanes) == 3  # the best third of ten
    best = sorted(queue.trials, key=lambda number: queue.trials[number].params["x"])[:3]
    assert sorted(lane.number for lane in up.lanes) == sorted(best)


def test_a_pack_that_breaks_off_fails_only_the_culprit(make_queue):
    queue = make_queue(trials=12, epochs=3, lanes=6)
    LocalEngine(Formula(raises=0.6)).run(queue)
    culprits = {number for number, trial in queue.trials.items() if trial.params["x"] >= 0.6}
    assert culprits
    assert {n for n, trial in queue.trials.items() if trial.state is State.FAILED} == culprits
    assert all(trial.values for number, trial in queue.trials.items() if number not in culprits)


def test_alike_trials_come_first():
    kinds = "abbcbab"
    trials = [Trial(number, {"kind": kind, "x": 0.0}) for number, kind in enumerate(kinds)]
    assert "".join(trial.params["kind"] for trial in common_structure_first(trials, ["kind"])) == "bbbbaac"
    assert common_structure_first(trials, []) == trials  # best first, as they came


@pytest.mark.parametrize(("pace", "sizes"), [(10.0, [1, 1, 1]), (0.01, [1, 5, 6, 12])])
def test_auto_makes_a_job_worth_its_overhead(make_queue, pace, sizes):
    queue = make_queue(trials=60, epochs=1, lanes=None, workers=2)
    for size in sizes:
        job = queue.next_job()
        assert len(job.lanes) == size
        metrics = {lane.number: {"val/f": 1.0 + lane.number} for lane in job.lanes}
        queue.report(Report(1, pace * size, metrics, job=job.number))
        queue.finish(job, "c")


def test_auto_lets_quick_promotions_wait_for_company(make_queue):
    """An epoch of a trial takes 1/8 s: in 3 s, 12 trials get to epoch 3, or 4 from there to epoch 9."""
    queue = make_queue(trials=200, epochs=9, lanes=None, workers=1)
    others = True
    while not isinstance(job := queue.next_job(), Done):
        assert len(job.lanes) >= {1: 1, 3: 12, 9: 4}[job.last] or not others
        for epoch in range(job.first + 1, job.last + 1):
            metrics = {lane.number: {"val/f": lane.params["x"] / epoch} for lane in job.lanes}
            queue.report(Report(epoch, 0.125 * len(job.lanes), metrics, job=job.number))
        queue.finish(job, "c")
        others = len(queue.trials) < 200  # trials to start instead
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE, State.STOPPED}


def test_known_good_points_are_the_first_trials(make_queue, formula_space):
    queue = make_queue(trials=3, known=(formula_space.point({"x": 0.25}),))
    LocalEngine(Formula()).run(queue)
    xs = [queue.trials[number].params["x"] for number in range(3)]
    assert xs[0] == 0.25
    assert len(set(xs)) == 3


def overfits(amount):
    """Training whose value is worse by `amount` after 9 epochs than before."""

    def train(job):
        for epoch in range(job.first + 1, job.last + 1):
            metrics = {lane.number: {"val/f": lane.params["x"] + amount * (epoch == 9)} for lane in job.lanes}
            yield Report(epoch, 1.0, metrics, job=job.number)

    return train


def test_the_winner_is_trained_to_the_end(make_queue):
    """The third of a rung is better than the two that were promoted, until it is trained as long as they."""
    for seed in range(4):
        queue = make_queue(trials=18, epochs=9, seed=seed, sampler="random")
        LocalEngine(overfits(0.1)).run(queue)
        assert queue.best().state is State.COMPLETE


def test_few_trials_are_finished_at_the_end_where_all_overfit(make_queue):
    queue = make_queue(trials=18, epochs=9, sampler="random")
    LocalEngine(overfits(2.0)).run(queue)
    states = [trial.state for trial in queue.trials.values()]
    assert 2 < states.count(State.COMPLETE) <= 2 + 3  # two of 18 by the rule, and eta more at most
