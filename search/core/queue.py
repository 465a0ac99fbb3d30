"""The queue: which job is next, and what follows from each that ends. An engine is a loop over its verbs.

    while not isinstance(job := queue.next_job(), Done):     # a Job, or WAIT: ask again when a job has ended
        for report in train(job):                            # in any process, at any time
            queue.report(report)
        queue.finish(job, job.checkpoint)                    # or queue.fail(job, error): it has raised
                                                             # or queue.lose(job, cause): its worker is gone

After `next_job` the trials of the job are running; after `finish` they are paused at their rung (complete at
the last). After `fail` the trial has failed, or the trials of a pack are tried again in smaller ones; after
`lose` the job is tried again (`retries.py`). Finished rungs are in the study, so a queue made from the same
study continues where this one was: resuming is the normal start.

A policy decides what is next (`policies/`); the queue turns its decisions into jobs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final

from search.core.deadline import Deadline
from search.core.distinct import Distinct, unique
from search.core.finishing import unfinished
from search.core.history import Observation
from search.core.job import Job, State, Trial, common_structure_first, trial_seed
from search.core.outcome import epoch_rows, with_results
from search.core.policies.base import Problem
from search.core.policies.registry import POLICIES
from search.core.retries import Retries
from search.core.rungs import Done, Promote, Sample, Wait, hopeless
from search.core.stopping import Stopping
from search.core.study import Study
from search.core.trials import Trials
from spaces.lane import EngineError, Lane, Report, is_memory_error, is_space_error
from spaces.size import configurations
from spaces.space import Space

WAIT: Final = Wait()
DONE: Final = Done()
MIN_JOB_SECONDS = 3.0  # seconds of training beside which the overhead of a job, about 0.1 s, is small
MIN_NEW_LANES = 5  # trials that a pack of new ones may have before any has finished
MAX_FIRST_FAILURES = 5  # failures before any value; then the search ends


@dataclass(frozen=True)
class Plan:
    """Size and settings of a search."""

    trials: int
    rungs: tuple[int, ...]  # in epochs
    eta: int
    seed: int
    sampler: str  # a key of POLICIES
    lanes: int | None = 1  # trials per job; None: as many as outweigh the overhead of a job
    workers: int = 1  # jobs at once
    init_seed: int | None = None  # of initial weights, the same for all trials; None: one for each
    known: tuple[Mapping[str, Any], ...] = ()  # configurations to try first
    observations: tuple[Observation, ...] = ()  # trials of an earlier run, for the policy
    timeout: float | None = None  # seconds to an epoch, see Deadline
    min_gain: float | None = None  # end when less is expected of further trials; None: begin all trials
    time: float | None = None  # seconds of searching, after which no trial begins; None: no limit
    only: int | None = None  # the one trial to train, to the last rung; the others stay as they are


class Queue:
    """Study, rungs and packs behind five verbs. Deterministic for a seed and an order of finishes."""

    def __init__(self, space: Space, plan: Plan, study: Study) -> None:
        """Of `plan`, no more trials than the space has configurations, and no known point that has begun."""
        self.trials = Trials(space, study.trials(), plan.observations)
        trials = int(min(plan.trials, configurations(space)))
        known = unique([*(trial.params for trial in self.trials.values()), *plan.known])
        plan = replace(plan, trials=trials, known=known)
        self.space, self.plan, self.study = space, plan, study
        problem = Problem(space, plan.rungs, plan.eta, plan.seed)
        self.policy = Distinct(POLICIES[plan.sampler](problem), space, plan.seed, known)
        self.facts = set(study.facts())  # rungs whose facts are recorded
        self.jobs: dict[int, Job] = {}  # running
        self.reports: dict[int, list[Report]] = {}  # of the running jobs
        self.retries = Retries(space.structure, study.packs())
        self.deadline = Deadline(plan.timeout)
        self.started = 0
        self.closed = False  # whether no further trial may begin
        self.stopping = Stopping(problem, plan.trials, plan.min_gain, plan.time, study)
        self.results = sum(len(trial.order) for trial in self.trials.values())
        self.pace: float | None = None  # seconds per epoch and trial, as last reported

    def next_job(self) -> Job | Wait | Done:
        """The job to train next; WAIT if a running one must end first; DONE if there is none left.

        Raises EngineError if workers die whatever they train.
        """
        if self.retries.hopeless():
            raise EngineError(f"the first workers have all died: {self.retries.cause}")
        only = None if self.plan.only is None else self.trials[self.plan.only]
        if only and only.state is State.PAUSED:
            return self._start(len(only.values), [only], 1)
        if only or self._all_failed():
            return DONE if not self.jobs else WAIT
        history = self.trials.history
        left = 0 if self.closed or self.stopping.reached(history, self.results) else self._left()
        count = self._new_lanes()
        known = self.plan.known[len(self.trials) :][:count]
        match self.policy.decide(
            history,
            left=left,
            count=count - len(known),
            min_lanes=[self._min_lanes(rung) for rung in range(len(self.plan.rungs))],
        ):
            case Promote(rung, trials):
                ready = [self.trials[number] for number in trials]
                if rung:  # else they are interrupted ones, which begin again as they were
                    ready = common_structure_first(ready, self.space.structure)
                return self._start(rung, ready, self._lanes(rung, len(ready)))
            case Sample(params):
                new = self.study.create([*known, *params])
                for begun in new:
                    self.trials[begun.number] = begun
                return self._start(0, new, len(new))
            case Wait():
                return WAIT
            case Done() if self.jobs:
                return WAIT  # for one whose lanes have all ended
            case Done():
                if trial := unfinished(self.trials, len(self.plan.rungs), self.plan.eta):
                    return self._start(len(trial.values), [trial], 1)
                self._stop_paused()
                return DONE

    def report(self, report: Report) -> None:
        """An epoch of a job is done. A lane that diverged ends here."""
        job = self.jobs[report.job]
        assert job.rung is not None, "a job of the queue trains to a rung"
        self.reports[job.number].append(report)
        self.retries.reported()
        self.deadline.epoch(report)
        if report.seconds:  # an epoch after a module has stopped itself takes none
            self.pace = report.lane_seconds
        if report.facts and job.rung not in self.facts:
            self.study.record_facts(job.rung, report.facts)
            self.facts.add(job.rung)
        self._end_lanes(job, sorted(report.diverged), State.DIVERGED)

    def finish(self, job: Job, checkpoint: str) -> None:
        """The lanes of a job have reached their rung; `checkpoint` holds all that have not diverged."""
        numbers = [lane.number for lane in job.lanes if self.trials[lane.number].state is State.RUNNING]
        state = State.COMPLETE if job.last == self.plan.rungs[-1] else State.PAUSED
        self._end_lanes(job, numbers, state, checkpoint)
        del self.jobs[job.number], self.reports[job.number]

    def fail(self, job: Job, error: str) -> None:
        """A job has raised: its trial has failed. The trials of a pack are tried again in smaller ones."""
        if again := len(job.lanes) > 1:
            self.retries.failed(job, error)
            self.study.record_packs(self.retries.plain())
        self._break_off(job, None if again else error)

    def lose(self, job: Job, cause: str) -> None:
        """The worker of a job is gone: the job is tried again, a few times; then its trial has failed."""
        again = self.retries.lost(job, cause)
        if len(job.lanes) > 1:
            self.study.record_packs(self.retries.plain())
        self._break_off(job, None if again else cause)

    def stop_hopeless(self) -> list[Trial]:
        """Stops the trials that will neither be promoted nor be the best, whatever the others do."""
        if self.plan.only is not None:
            return []
        numbers = hopeless(self.trials.history, len(self.plan.rungs), self.plan.eta, self._left())
        for number in numbers:
            self.stop(self.trials[number])
        return [self.trials[number] for number in numbers]

    def stop(self, trial: Trial) -> None:
        """A trial that is paused at a rung does not go on."""
        self._end(replace(trial, state=State.STOPPED))

    def best(self) -> Trial | None:
        """The incumbent: the trial with the best last value, at any rung. None before the first value.

        A diverged or failed trial is never the incumbent, for it has no model. Of several objectives the
        first one counts, among the trials that keep the constraints.
        """
        return self.trials.best()

    def seed(self, number: int) -> int:
        """Seed of a trial's initial weights and dropout."""
        return trial_seed(self.plan.seed, number, self.plan.init_seed)

    def _start(self, rung: int, ready: Sequence[Trial], size: int) -> Job:
        """A job to `rung` of at most `size` of the trials that are ready."""
        trials = self.retries.pack(rung, ready, size)
        for trial in trials:
            self.trials[trial.number] = replace(trial, state=State.RUNNING)
        self.started += 1
        lanes = tuple(Lane(t.number, t.params, self.seed(t.number), t.checkpoint) for t in trials)
        first, last, timeout = trials[0].epochs, self.plan.rungs[rung], self.deadline.limit()
        job = Job(self.started, lanes, first, last, rung, timeout=timeout)
        self.jobs[job.number], self.reports[job.number] = job, []
        return job

    def _end_lanes(
        self, job: Job, numbers: Sequence[int], state: State, checkpoint: str | None = None
    ) -> None:
        """Lanes have reached their rung or diverged: one event, which goes into the study at once."""
        if not numbers:
            return
        assert job.rung is not None, "a job of the queue trains to a rung"
        space, reports = self.space, self.reports[job.number]
        ended = [
            with_results(space, self.trials[number], job, reports, state, checkpoint, order)
            for order, number in enumerate(numbers, self.results)
        ]
        self.study.record_rung(ended, job.rung, [epoch_rows(reports, number) for number in numbers])
        for trial in ended:  # after the journal, so that no table is ahead of it
            self.trials[trial.number] = trial
            self.retries.reached(trial.number)
        self.results += len(ended)

    def _break_off(self, job: Job, error: str | None) -> None:
        """A job has ended before its rung. Its trials have failed with the error, or are paused as before."""
        for lane in job.lanes:
            trial = self.trials[lane.number]
            if trial.state is State.RUNNING:
                if error:
                    # A trial that does not fit in memory counts as diverged, so it has a result.
                    result = (self.results,) if is_memory_error(error) else ()
                    self._end(replace(trial, state=State.FAILED, error=error, order=trial.order + result))
                    self.results += len(result)
                else:
                    self.trials[trial.number] = replace(trial, state=State.PAUSED)
        del self.jobs[job.number], self.reports[job.number]

    def _end(self, trial: Trial) -> None:
        """The trial has stopped or failed."""
        self.study.record_end(trial)
        self.trials[trial.number] = trial

    def _left(self) -> int:
        """How many more trials the plan has."""
        return max(0, self.plan.trials - len(self.trials)) if self.stopping.end is None else 0

    def _min_lanes(self, rung: int) -> int:
        """How many trials outweigh the overhead of a job to this rung."""
        if self.plan.lanes is not None or self.pace is None:
            return 1  # the user's number, or the first job, which measures the pace
        epochs = self.plan.rungs[rung] - (self.plan.rungs[rung - 1] if rung else 0)
        return max(1, int(MIN_JOB_SECONDS / (self.pace * epochs)))

    def _lanes(self, rung: int, ready: int) -> int:
        """How many of the trials that are ready for a rung the next job takes."""
        if self.plan.lanes is not None:
            return min(self.plan.lanes, ready)
        return min(self._min_lanes(rung), max(1, ceil(ready / self.plan.workers)))

    def _new_lanes(self) -> int:
        """How many trials a job of new ones has."""
        count = self._lanes(0, self._left())
        if self.plan.lanes is None:
            # No more at once than have finished; else a search of quick trials is a random one.
            finished = len(self.trials.history.ranked[0]) - len(self.plan.observations)
            count = min(count, max(MIN_NEW_LANES, finished))
        return count

    def _all_failed(self) -> bool:
        """Whether the first trials have all failed, or one in a way that all will."""
        if any(trial.values for trial in self.trials.values()):
            return False
        failed = [trial for trial in self.trials.values() if trial.state is State.FAILED]
        return len(failed) >= MAX_FIRST_FAILURES or any(is_space_error(trial.error) for trial in failed)

    def _stop_paused(self) -> None:
        """The search is over: a trial that is paused was never promoted."""
        for trial in list(self.trials.values()):
            if trial.state is State.PAUSED:
                self.stop(trial)
