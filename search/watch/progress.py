"""The progress of a search on the screen: one live panel in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from results.text import duration, number, plain
from search.core.job import Job, State, Trial
from search.core.queue import Queue
from search.core.rungs import UNLIMITED, expected_epochs
from search.watch.notebook import NotebookPanel
from search.watch.panel import Panel, TerminalPanel
from spaces.lane import Report

PANEL_INTERVAL = 0.25  # seconds between two drawings of the panel
SHOWN = 4  # running jobs in the panel
LINE_INTERVAL = 1.0  # seconds between two plain lines, except for a new best trial


@dataclass(frozen=True)
class ConfirmProgress:
    """Progress of a confirmation (search/runs/confirm.py)."""

    ended: int  # trainings
    trainings: int
    epochs: int  # done
    total_epochs: int
    seconds: float
    busy: tuple[str, ...]  # titles of the running jobs


class ProgressView:
    """Shows a queue on a console; `workers` is the number of jobs that run at once."""

    def __init__(self, console: Console, title: str, workers: int) -> None:
        self.console, self.title, self.workers = console, title, workers
        self.start, self.drawn = time.monotonic(), 0.0
        self.live = panel_on(console)
        self.best: int | None = None
        self.line_due = False  # whether the next `show` prints a plain line
        self.first_shown = False
        self.largest = 1  # lanes of a pack so far
        self.epochs_before: int | None = None  # epochs of a resumed search at its start
        self.notes: set[str] = set()
        self.running: dict[int, int] = {}  # trial-epochs done in running jobs, by job

    def __enter__(self) -> "ProgressView":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """Prints a plain line, in a terminal too."""
        if self.live:
            self.live.before_line()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.console.file.flush()
        if self.live:
            self.live.after_line()

    def show(self, queue: Queue) -> None:
        """Draws the panel, if the last drawing is old enough, or prints the plain line that is due.

        Call it after an epoch, and when a free worker has its next job; until then the worker counts as idle.
        """
        if self.epochs_before is None:
            self.epochs_before = sum(trial.epochs for trial in queue.trials.values())
        if self.live and time.monotonic() - self.drawn > PANEL_INTERVAL:
            self.draw(self.live, self.panel(queue))
        if self.line_due:
            self.line_due, self.drawn = False, time.monotonic()
            self.say(f"{self.clock()} {self.line(queue)}")

    def draw(self, panel: Panel, drawing: Group) -> None:
        """Draws in place of the last drawing."""
        self.drawn = time.monotonic()
        panel.draw(drawing)

    def epoch(self, queue: Queue, report: Report) -> None:
        """An epoch of a job is done."""
        job = queue.jobs[report.job]
        self.running[job.number] = (report.epoch - job.first) * len(job.lanes)
        metric = queue.space.objective.metric
        first = min(report.metrics)
        if not self.first_shown:
            self.first_shown = True
            value = report.metrics[first].get(metric, float("nan"))
            self.say(
                f"{self.clock()} first result: trial {first}, epoch {report.epoch}, {metric} {number(value)}"
            )
        if report.note and report.note not in self.notes:
            self.notes.add(report.note)
            self.say(f"{self.clock()} note: {report.note}")
        is_typical = report.epoch > job.first + 1 or job.last == job.first + 1  # the first one also prepares
        if len(job.lanes) > self.largest and is_typical:
            self.largest = len(job.lanes)
            self.say(
                f"{self.clock()} packs of up to {self.largest} trials: "
                f"{report.lane_seconds:.2g} s a trial and epoch"
            )
        self.show(queue)

    def job(self, queue: Queue, job: Job) -> None:
        """A job has ended."""
        self.running.pop(job.number, None)
        best = queue.best()
        new_best = best is not None and best.number != self.best
        self.best = best.number if best else None
        if not self.live and (new_best or time.monotonic() - self.drawn > LINE_INTERVAL):
            self.line_due = True
        for lane in job.lanes:
            trial = queue.trials[lane.number]
            if trial.state in (State.FAILED, State.DIVERGED):
                self.say(f"{self.clock()} trial {trial.number} {trial.state.value}: {trial.error}")

    def progress(self, progress: ConfirmProgress) -> None:
        """Draws the panel of a confirmation, if the last drawing is old enough."""
        if self.live and time.monotonic() - self.drawn > PANEL_INTERVAL:
            self.draw(self.live, self.confirm_panel(progress))

    def confirm_panel(self, progress: ConfirmProgress) -> Group:
        """The panel of a confirmation."""
        table = Table.grid(padding=(0, 2))
        table.add_row("confirmed", f"{progress.ended} of {progress.trainings} trainings")
        add_epochs(table, progress.epochs, progress.total_epochs, progress.epochs, progress.seconds)
        self.add_workers(table, progress.busy)
        return Group(Text(self.title, style="bold"), table)

    def clock(self) -> str:
        """The time since the start, in brackets."""
        return f"[{duration(time.monotonic() - self.start)}]"

    def best_line(self, queue: Queue, best: Trial | None) -> str:
        """Value, epochs and number of the best trial."""
        if best is None:
            return "no value yet"
        metric = queue.space.objective.metric
        return f"{metric} {number(best.values[-1])} after {best.epochs} epochs (trial {best.number})"

    def line(self, queue: Queue) -> str:
        """A search in a line: states, the best trial, time left."""
        states = Counter(trial.state.value for trial in queue.trials.values())
        counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        left = f"; {duration(seconds_left(queue))} left" if queue.plan.time else ""
        return f"{counts}; best: {self.best_line(queue, queue.best())}{left}"

    def panel(self, queue: Queue) -> Group:
        """The panel of a search: states, progress, time left, the best trial with its parameters."""
        trials = list(queue.trials.values())
        states = Counter(trial.state for trial in trials)
        done = sum(trial.epochs for trial in trials) + sum(self.running.values())
        end = queue.stopping.end
        number = end["trials"] if end else queue.plan.trials
        expected = max(done, expected_epochs(number, queue.plan.rungs, queue.plan.eta))
        elapsed = time.monotonic() - self.start
        best = queue.best()
        table = Table.grid(padding=(0, 2))
        of = f" of {number}" if number < UNLIMITED else ""
        counts = ", ".join(f"{states[state]} {state.value}" for state in State if states[state])
        table.add_row("trials", f"{len(trials)}{of}: {counts}")
        if number < UNLIMITED:
            add_epochs(table, done, expected, done - (self.epochs_before or 0), elapsed)
        else:
            table.add_row("epochs", f"{done}; {duration(elapsed)} gone")
        if queue.plan.time:
            add_time(table, queue, queue.plan.time)
        self.add_workers(table, [job.title for job in queue.jobs.values()])
        table.add_row("best", Text(self.best_line(queue, best)))
        if best:
            table.add_row("", Text(parameters(best)))
        return Group(Text(self.title, style="bold"), table)

    def add_workers(self, table: Table, jobs: Sequence[str]) -> None:
        """A row with the running jobs; where they share GPUs, more than at the start."""
        more = f"; +{len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
        workers = max(self.workers, len(jobs))
        table.add_row("workers", f"{len(jobs)} of {workers} busy: " + "; ".join(jobs[:SHOWN]) + more)


def panel_on(console: Console) -> Panel | None:
    """A panel, where the console can draw one."""
    if console.is_jupyter:
        return NotebookPanel()
    return TerminalPanel(console) if console.is_terminal else None


def add_epochs(table: Table, done: int, expected: int, new: int, elapsed: float) -> None:
    """Rows with the epochs done, of which `new` took `elapsed` seconds, and the time left."""
    left = duration(elapsed / new * (expected - done)) if new else "unknown"
    table.add_row("epochs", f"{done} of about {expected}; {duration(elapsed)} gone, about {left} left")
    table.add_row("", ProgressBar(total=expected, completed=done, width=50))


def add_time(table: Table, queue: Queue, limit: float) -> None:
    """Rows with the part of the search's `limit` in seconds that is left."""
    left = seconds_left(queue)
    over = "" if left else "; no further trial begins, and the best ones are trained to the end"
    table.add_row("time", f"{duration(left)} left of {duration(limit)}{over}")
    table.add_row("", ProgressBar(total=limit, completed=limit - left, width=50))


def seconds_left(queue: Queue) -> float:
    """The seconds in which further trials of a search with a limit of time may begin."""
    return max(0.0, (queue.plan.time or 0.0) - queue.study.ran())


def parameters(trial: Trial) -> str:
    """The parameters of a trial in one line."""
    return ", ".join(f"{name}={plain(value)}" for name, value in trial.params.items())
