"""The queue: which job is next, and what follows from each that ends. An engine is a loop over its verbs.

    while not isinstance(job := queue.next_job(), Done):     # a Job, or WAIT: ask again when a job has ended
        for report in train(job):                            # somewhere, sometime
            queue.report(report)
        queue.finish(job, checkpoint)                        # or queue.fail(job, error)

After `next_job` the job's trials are running; after `finish` they are paused at their rung (or complete at
the last one); after `fail` the trial has failed, or each trial of a pack is tried again alone. What is
finished stands in the study, so that a queue made again from the same study goes on where this one was:
resuming is the normal start.

Decisions are made in `rungs.py`, configurations proposed in `sampler.py`; here they meet.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any, Final

from results.store import best_row
from search.job import Job, Lane, Report, State, Trial, first_seed
from search.rungs import Done, Promote, Sample, Wait, decide
from search.sampler import ENOUGH, Observation, propose
from search.study import Study
from search.warm import NOTHING, Warm
from spaces.space import Space

WAIT: Final = Wait()
DONE: Final = Done()
WORTHWHILE = 3.0  # seconds of training that make the overhead of a job, about 0.1 s, small
HOPELESS = 5  # this many failures before anything has worked, and the search gives up


@dataclass(frozen=True)
class Plan:
    """How much to search, and how."""

    trials: int
    rungs: tuple[int, ...]  # in epochs
    eta: int
    seed: int
    sampler: str
    lanes: int | None = 1  # trials a job; None: as many as make a job worth its overhead
    workers: int = 1  # jobs at once
    weights_seed: int | None = None  # the same for all trials; None: each has its own


class Queue:
    """Optuna, rungs and packs behind four verbs. Deterministic for a seed and an order of finishes."""

    def __init__(self, space: Space, plan: Plan, study: Study, warm: Warm = NOTHING) -> None:
        self.space, self.plan, self.study, self.warm = space, plan, study, warm
        self.trials: dict[int, Trial] = {trial.number: trial for trial in study.trials()}
        self.jobs: dict[int, Job] = {}  # those being trained
        self.reports: dict[int, list[Report]] = {}  # what they have said
        self.suspects: set[int] = set()  # trials of packs that broke off
        self.started = 0
        self.pace: float | None = None  # seconds that an epoch of a trial takes, as last reported

    def next_job(self) -> Job | Wait | Done:
        """The job to train next; WAIT if a running one must end first; DONE if there is none left."""
        if self._hopeless():
            return DONE if not self.jobs else WAIT
        match decide(
            self._values(),
            self._busy(),
            rungs=len(self.plan.rungs),
            eta=self.plan.eta,
            left=self.plan.trials - len(self.trials),
            least=[self._worthwhile(rung) for rung in range(len(self.plan.rungs))],
        ):
            case Promote(rung, trials):
                ready = alike_first([self.trials[number] for number in trials], self.space.structure)
                if suspects := [trial for trial in ready if trial.number in self.suspects]:
                    return self._start(rung, suspects[:1])
                return self._start(rung, ready[: self._lanes(rung, len(ready))])
            case Sample():
                return self._start(0, [self.study.create(params) for params in self._propose()])
            case Wait():
                return WAIT
            case Done():
                self._stop_the_rest()
                return DONE

    def report(self, report: Report) -> None:
        """An epoch of a job is done. A lane that diverged has ended by it."""
        job = self.jobs[report.job]
        self.reports[job.number].append(report)
        if report.seconds:  # a trial that has ended by itself takes none
            self.pace = report.seconds / len(report.metrics)
        for number in report.diverged:
            self._put(job, number, State.DIVERGED, None, f"diverged in epoch {report.epoch}")

    def finish(self, job: Job, checkpoint: str) -> None:
        """A job has brought its lanes to their rung; `checkpoint` holds all that have not diverged."""
        last = job.last == self.plan.rungs[-1]
        for lane in job.lanes:
            if self.trials[lane.number].state is State.RUNNING:
                self._put(job, lane.number, State.COMPLETE if last else State.PAUSED, checkpoint, None)
        self._forget(job)

    def fail(self, job: Job, error: str) -> None:
        """A job has broken off: its trial has failed. The trials of a pack are each tried again alone."""
        running = [lane.number for lane in job.lanes if self.trials[lane.number].state is State.RUNNING]
        for number in running:
            if len(job.lanes) > 1:
                self.trials[number] = replace(self.trials[number], state=State.PAUSED)
                self.suspects.add(number)
            else:
                self.trials[number] = replace(self.trials[number], state=State.FAILED, error=error)
                self.study.end(self.trials[number])
        self._forget(job)

    def best(self) -> Trial | None:
        """The trial whose last value is best, None before the first value."""
        row = best_row((trial.row() for trial in self.trials.values()), self.space.objective.mode)
        return None if row is None else self.trials[row["trial"]]

    def _start(self, rung: int, trials: Sequence[Trial]) -> Job:
        for trial in trials:
            self.trials[trial.number] = replace(trial, state=State.RUNNING)
        self.started += 1
        job = Job(
            number=self.started,
            lanes=tuple(Lane(t.number, t.params, self._seed(t.number), t.checkpoint) for t in trials),
            first=trials[0].epochs,
            last=self.plan.rungs[rung],
        )
        self.jobs[job.number], self.reports[job.number] = job, []
        return job

    def _put(self, job: Job, number: int, state: State, checkpoint: str | None, error: str | None) -> None:
        """A lane of a job has ended: what it has become goes into the study, whole."""
        reports = [report for report in self.reports[job.number] if number in report.metrics]
        trial = self.trials[number]
        assert reports and reports[0].epoch == job.first + 1, "a job reports each of its epochs"
        values = trial.values
        if state is not State.DIVERGED:
            assert reports[-1].epoch == job.last, "a job that finishes has reported its last epoch"
            values = (*values, reports[-1].metrics[number][self.space.objective.metric])
        trial = replace(
            trial,
            state=state,
            values=values,
            epochs=reports[-1].epoch,
            checkpoint=checkpoint,
            error=error,
            seconds=trial.seconds + sum(report.seconds / len(report.metrics) for report in reports),
            device=reports[-1].device,
            node=reports[-1].node,
        )
        self.trials[number] = trial
        self.study.trained(trial, self.plan.rungs.index(job.last), rows(reports, number))
        if state is not State.PAUSED:
            self.study.end(trial)

    def _forget(self, job: Job) -> None:
        del self.jobs[job.number], self.reports[job.number]

    def _worthwhile(self, rung: int) -> int:
        """How many trials make a job to a rung worth its overhead."""
        if self.plan.lanes is not None or self.pace is None:
            return 1  # as was asked for; or this is the first job of a worker, and the probe
        epochs = self.plan.rungs[rung] - (self.plan.rungs[rung - 1] if rung else 0)
        return max(1, int(WORTHWHILE / (self.pace * epochs)))

    def _lanes(self, rung: int, ready: int) -> int:
        """How many of the trials that are ready for a rung the next job takes."""
        if self.plan.lanes is not None:
            return min(self.plan.lanes, ready)
        return min(self._worthwhile(rung), max(1, ceil(ready / self.plan.workers)))

    def _propose(self) -> list[dict[str, Any]]:
        values, busy = self._values(), self._busy()
        count = self._lanes(0, self.plan.trials - len(self.trials))
        if self.plan.lanes is None:
            # No more at once than have finished, else a search of quick trials is a random one.
            count = min(count, max(ENOUGH // 2, sum(map(bool, values.values()))))
        history = [
            *self.warm.observations,
            *(
                Observation(trial.params, values.get(number, ()), number in busy)
                for number, trial in self.trials.items()
            ),
        ]
        known = self._known()[len(self.trials) :][:count]
        rest = count - len(known)
        return known + propose(self.space, history, rest, sampler=self.plan.sampler, seed=self.plan.seed)

    def _known(self) -> list[dict[str, Any]]:
        """The known good points: an earlier run's, then the space's own."""
        points = list(self.warm.points)
        own = [self.space.point(seed) for seed in self.space.seeds]
        return points + [point for point in own if point not in points]

    def _values(self) -> dict[int, tuple[float, ...]]:
        """Each trial's objectives by rung, less is better; infinite where it diverged. Without the failed."""
        sign = self.space.objective.sign
        return {
            number: tuple(sign * value for value in trial.values)
            + ((inf,) if trial.state is State.DIVERGED else ())
            for number, trial in self.trials.items()
            if trial.state is not State.FAILED
        }

    def _busy(self) -> set[int]:
        return {lane.number for job in self.jobs.values() for lane in job.lanes}

    def _seed(self, number: int) -> int:
        return first_seed(self.plan.seed, number, self.plan.weights_seed)

    def _hopeless(self) -> bool:
        """Nothing has ever worked, and it is not for want of trying."""
        states = [trial.state for trial in self.trials.values()]
        return states.count(State.FAILED) >= HOPELESS and not any(t.values for t in self.trials.values())

    def _stop_the_rest(self) -> None:
        """The search is over: who still waits at a rung was never promoted."""
        for number, trial in self.trials.items():
            if trial.state is State.PAUSED:
                self.trials[number] = replace(trial, state=State.STOPPED)
                self.study.end(self.trials[number])


def alike_first(trials: list[Trial], structure: Sequence[str]) -> list[Trial]:
    """The trials with those of the commonest structure first, so that a pack's lanes are alike."""

    def of(trial: Trial) -> tuple[str, ...]:
        return tuple(repr(trial.params.get(name)) for name in structure)

    common = Counter(map(of, trials))
    return sorted(trials, key=lambda trial: (-common[of(trial)], of(trial)))


def rows(reports: list[Report], number: int) -> list[dict[str, Any]]:
    """A lane's part of a job's reports, as rows of the epochs table."""
    return [
        {"trial": number, "epoch": report.epoch, "seconds": report.seconds / len(report.metrics)}
        | dict(report.metrics[number])
        for report in reports
    ]
