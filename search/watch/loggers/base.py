"""Trials told to a logger beside the tables: what all loggers share.

What a logger has is derived from the run: a resumed search first tells it what it lacks.
"""

import logging
import shutil
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.loggers import Logger

from search.config.run_config import RunConfig
from search.core.job import Job, Report, State, Trial
from search.core.queue import Queue
from search.engines.base import describe

logger = logging.getLogger(__name__)
ENDED = (State.COMPLETE, State.STOPPED, State.DIVERGED, State.FAILED)
GONE_WRONG = (State.DIVERGED, State.FAILED)


class Logs(ABC):
    """Watches a queue. A final subclass says how a trial's logger is opened, and told its state."""

    anew: ClassVar[bool] = False  # a resumed search writes all of it again from the study

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        self.config, self.folder, self.say = config, folder / "logs", say
        if self.anew:
            self.clear()
        self.metric = config.space.objective.metric
        self.loggers: dict[int, Logger] = {}
        self.logged: dict[int, int] = defaultdict(int)  # epochs, by trial
        self.told: dict[int, State] = {}
        self.broken = False

    @abstractmethod
    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        """A trial's logger, with its parameters logged; `first` is what the first epoch brought."""

    @abstractmethod
    def tell(self, trial: Trial) -> None:
        """The trial has come into its state."""

    @abstractmethod
    def end(self, queue: Queue) -> None:
        """The search is over, or broken off."""

    def clear(self) -> None:
        """Deletes what an earlier process wrote."""
        shutil.rmtree(self.folder / self.config.logger, ignore_errors=True)

    def begin(self, queue: Queue) -> None:
        """Logs what the queue's study has and the logger lacks."""
        rows = defaultdict(list)
        for row in queue.study.epoch_rows():
            rows[row["trial"]].append(row)
        for number, trial in queue.trials.items():
            for row in rows[number]:
                metrics = {key: value for key, value in row.items() if key not in ("trial", "epoch")}
                self._log(trial, row["epoch"], metrics)
            self._tell(trial)

    def epoch(self, queue: Queue, report: Report) -> None:
        """An epoch of a job is done."""
        seconds = {"seconds": report.seconds / len(report.metrics)}
        for number, metrics in report.metrics.items():
            self._safely(self._log, queue.trials[number], report.epoch, {**metrics, **seconds})
            self._safely(self._tell, queue.trials[number])

    def job(self, queue: Queue, job: Job) -> None:
        """A job has ended."""
        for lane in job.lanes:
            self._safely(self._tell, queue.trials[lane.number])

    def close(self, queue: Queue) -> None:
        """The search is over, or broken off."""
        for trial in queue.trials.values():
            self._safely(self._tell, trial)
        self._safely(self.end, queue)

    def _log(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        # Epochs come again when a pack broke off, or when a process was killed before their rung.
        opened = self._logger(trial, metrics)
        if epoch > self.logged[trial.number]:
            opened.log_metrics(dict(metrics), step=epoch)
            self.logged[trial.number] = epoch

    def _tell(self, trial: Trial) -> None:
        if self.told.get(trial.number) is not trial.state:
            if trial.number not in self.told:
                self._logger(trial, {})  # a trial that failed in its first epoch is there too
            self.told[trial.number] = trial.state
            self.tell(trial)

    def _logger(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        if trial.number not in self.loggers:
            self.loggers[trial.number] = self.open(trial, first)
        return self.loggers[trial.number]

    def _safely(self, work: Callable[..., None], *arguments: Any) -> None:
        """Works, if nothing has failed before: a logger that fails does not end a search."""
        if not self.broken:
            try:
                work(*arguments)
            except Exception as error:
                self.broken = True
                logger.exception("logger=%s has failed", self.config.logger)
                self.say(f"note: logger={self.config.logger} has failed and is off: {describe(error)}")
