"""The part that all loggers share: a Lightning logger per trial, written by the process that searches.

A resumed search first logs everything that its study has and the logger lacks.
"""

import logging
import shutil
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.loggers import Logger

from search.config.run_config import RunConfig
from search.core.job import Job, State, Trial
from search.core.queue import Queue
from search.watch.watcher import Watcher
from spaces.lane import Report
from spaces.messages import describe

logger = logging.getLogger(__name__)
UNSUCCESSFUL = (State.DIVERGED, State.FAILED)


class TrialLogger(Watcher):
    """Logs each trial. A final subclass opens the logger of a trial, and logs the state of a trial."""

    rewrites: ClassVar[bool]  # whether a resumed search logs everything again from the study

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        """`folder` is the run's; `say` prints a line on the screen."""
        self.config, self.folder, self.say = config, folder / "logs", say
        if self.rewrites:
            self.clear()
        self.metric = config.space.objective.metric
        self.loggers: dict[int, Logger] = {}
        self.epochs: dict[int, int] = defaultdict(int)  # logged, by trial
        self.states: dict[int, State] = {}  # logged, by trial
        self.failed = False

    @abstractmethod
    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        """The logger of a trial, with its parameters logged; `first` has the metrics of its first epoch."""

    @abstractmethod
    def log_state(self, trial: Trial) -> None:
        """Logs the new state of a trial."""

    @abstractmethod
    def end(self, queue: Queue) -> None:
        """The search has ended or was interrupted."""

    def unlogged(self, trial: Trial, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics of the trial's next epoch that `open` has not logged yet."""
        return dict(metrics)

    def clear(self) -> None:
        """Deletes the files of an earlier process."""
        shutil.rmtree(self.folder / self.config.logger, ignore_errors=True)

    def begin(self, queue: Queue) -> None:
        """Logs everything that the study has and the logger lacks."""
        rows = defaultdict(list)
        for row in queue.study.epoch_rows():
            rows[row["trial"]].append(row)
        for number, trial in queue.trials.items():
            for row in rows[number]:
                metrics = {key: value for key, value in row.items() if key not in ("trial", "epoch")}
                self._log_epoch(trial, row["epoch"], metrics)
            self._log_new_state(trial)

    def epoch(self, queue: Queue, report: Report) -> None:
        seconds = {"seconds": report.lane_seconds}
        for number, metrics in report.metrics.items():
            self._safely(self._log_epoch, queue.trials[number], report.epoch, {**metrics, **seconds})
            self._safely(self._log_new_state, queue.trials[number])

    def job(self, queue: Queue, job: Job) -> None:
        for lane in job.lanes:
            self._safely(self._log_new_state, queue.trials[lane.number])

    def close(self, queue: Queue) -> None:
        for trial in queue.trials.values():
            self._safely(self._log_new_state, trial)
        self._safely(self.end, queue)

    def _log_epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        # An epoch comes again when its pack failed, or when a process was killed before the rung.
        opened = self._logger(trial, metrics)
        if epoch > self.epochs[trial.number]:
            opened.log_metrics(self.unlogged(trial, metrics), step=epoch)
            self.epochs[trial.number] = epoch

    def _log_new_state(self, trial: Trial) -> None:
        if self.states.get(trial.number) is not trial.state:
            if trial.number not in self.states:
                self._logger(trial, {})  # also for a trial that failed in its first epoch
            self.states[trial.number] = trial.state
            self.log_state(trial)

    def _logger(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        if trial.number not in self.loggers:
            self.loggers[trial.number] = self.open(trial, first)
        return self.loggers[trial.number]

    def _safely(self, log: Callable[..., None], *arguments: Any) -> None:
        """Calls `log` unless the logger has failed before: a logger that fails does not end a search."""
        if not self.failed:
            try:
                log(*arguments)
            except Exception as error:
                self.failed = True
                logger.exception("logger=%s has failed", self.config.logger)
                self.say(f"note: logger={self.config.logger} has failed and is off: {describe(error)}")
