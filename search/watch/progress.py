"""What a person sees of a running search: one live panel in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from results.text import duration, number, plain
from search.core.job import Job, Report, State, Trial
from search.core.queue import Plan, Queue

REFRESH = 0.25  # seconds between two drawings of the live view
LINES = 1.0  # seconds between two plain lines, but for a new best


@dataclass(frozen=True)
class ConfirmProgress:
    """How far a confirmation is (search/runs/confirm.py)."""

    ended: int  # trainings
    trainings: int
    epochs: int  # done
    of_epochs: int
    seconds: float
    busy: tuple[str, ...]  # the jobs that are being trained


class ProgressView:
    """Shows a queue on a console; `workers` is how many jobs run at once."""

    def __init__(self, console: Console, title: str, workers: int) -> None:
        self.console, self.title, self.workers = console, title, workers
        self.began, self.drawn = time.monotonic(), 0.0
        # What others print is noise for run.log (noise.py), and must not be drawn above the view.
        live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self.live = live if console.is_terminal else None
        self.best: int | None = None
        self.said_epoch = False
        self.largest = 1  # lanes of a pack so far
        self.done_before: int | None = None
        self.noted: set[str] = set()
        self.running: dict[int, int] = {}  # epochs done in jobs that have not ended, by job

    def __enter__(self) -> "ProgressView":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """A plain line, in a terminal too."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.console.file.flush()

    def show(self, queue: Queue) -> None:
        """Draws the live view, if it is time."""
        if self.done_before is None:
            self.done_before = sum(trial.epochs for trial in queue.trials.values())
        if self.live and time.monotonic() - self.drawn > REFRESH:
            self.drawn = time.monotonic()
            self.live.update(self.panel(queue), refresh=True)

    def epoch(self, queue: Queue, report: Report) -> None:
        """An epoch of a job is done."""
        job = queue.jobs[report.job]
        self.running[job.number] = (report.epoch - job.first) * len(job.lanes)
        metric = queue.space.objective.metric
        first = min(report.metrics)
        if not self.said_epoch:
            self.said_epoch = True
            value = report.metrics[first].get(metric, float("nan"))
            self.say(
                f"{self.clock()} first result: trial {first}, epoch {report.epoch}, {metric} {number(value)}"
            )
        if report.note and report.note not in self.noted:
            self.noted.add(report.note)
            self.say(f"{self.clock()} note: {report.note}")
        if len(job.lanes) > self.largest:
            self.largest = len(job.lanes)
            pace = report.seconds / len(report.metrics)
            self.say(f"{self.clock()} packs of up to {self.largest} trials: {pace:.2g} s a trial and epoch")
        self.show(queue)

    def job(self, queue: Queue, job: Job) -> None:
        """A job has ended."""
        self.running.pop(job.number, None)
        best = queue.best()
        news = best is not None and best.number != self.best
        self.best = best.number if best else None
        if not self.live and (news or time.monotonic() - self.drawn > LINES):
            self.drawn = time.monotonic()
            states = Counter(trial.state.value for trial in queue.trials.values())
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            self.say(f"{self.clock()} {counts}; best: {self.best_line(queue, best)}")
        for lane in job.lanes:
            trial = queue.trials[lane.number]
            if trial.state in (State.FAILED, State.DIVERGED):
                self.say(f"{self.clock()} trial {trial.number} {trial.state.value}: {trial.error}")
        self.show(queue)

    def progress(self, progress: ConfirmProgress) -> None:
        """Draws the live view of a confirmation, if it is time."""
        if self.live and time.monotonic() - self.drawn > REFRESH:
            self.drawn = time.monotonic()
            self.live.update(self.confirming(progress), refresh=True)

    def confirming(self, progress: ConfirmProgress) -> Group:
        """The live view of a confirmation."""
        table = Table.grid(padding=(0, 2))
        table.add_row("confirmed", f"{progress.ended} of {progress.trainings} trainings")
        add_epochs(table, progress.epochs, progress.of_epochs, progress.epochs, progress.seconds)
        self.add_workers(table, progress.busy)
        return Group(Text(self.title, style="bold"), table)

    def clock(self) -> str:
        return f"[{duration(time.monotonic() - self.began)}]"

    def best_line(self, queue: Queue, best: Trial | None) -> str:
        if best is None:
            return "no value yet"
        metric = queue.space.objective.metric
        return f"{metric} {number(best.values[-1])} after {best.epochs} epochs (trial {best.number})"

    def panel(self, queue: Queue) -> Group:
        """The live view: states, progress, time left, the best with its parameters."""
        trials = list(queue.trials.values())
        states = Counter(trial.state for trial in trials)
        done = sum(trial.epochs for trial in trials) + sum(self.running.values())
        expected = max(done, expected_epochs(queue.plan))
        elapsed = time.monotonic() - self.began
        best = queue.best()
        table = Table.grid(padding=(0, 2))
        table.add_row(
            "trials",
            f"{len(trials)} of {queue.plan.trials}: "
            + ", ".join(f"{states[state]} {state.value}" for state in State if states[state]),
        )
        add_epochs(table, done, expected, done - (self.done_before or 0), elapsed)
        self.add_workers(table, [job.title for job in queue.jobs.values()])
        table.add_row("best", Text(self.best_line(queue, best)))
        if best:
            table.add_row("", Text(parameters(best)))
        return Group(Text(self.title, style="bold"), table)

    def add_workers(self, table: Table, jobs: Sequence[str]) -> None:
        """What is being trained."""
        table.add_row("workers", f"{len(jobs)} of {self.workers} busy: " + "; ".join(jobs[:4]))


def add_epochs(table: Table, done: int, expected: int, fresh: int, elapsed: float) -> None:
    """How far it is, in epochs, of which `fresh` took `elapsed` seconds."""
    left = duration(elapsed / fresh * (expected - done)) if fresh else "unknown"
    table.add_row("epochs", f"{done} of about {expected}; {duration(elapsed)} gone, about {left} left")
    table.add_row("", ProgressBar(total=expected, completed=done, width=50))


def expected_epochs(plan: Plan) -> int:
    """How many epochs a search of this plan trains if each rung keeps one in eta."""
    total, before = 0, 0
    for rung, milestone in enumerate(plan.rungs):
        total += plan.trials // plan.eta**rung * (milestone - before)
        before = milestone
    return total


def parameters(trial: Trial) -> str:
    """A trial's parameters in one line."""
    return ", ".join(f"{name}={plain(value)}" for name, value in trial.params.items())
