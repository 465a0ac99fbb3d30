"""`logger=tensorboard`: an event file per trial."""

from collections.abc import Mapping
from typing import final

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from search.core.job import State, Trial
from search.core.queue import Queue
from search.watch.loggers.base import TrialLogger


@final
class TensorBoardTrials(TrialLogger):
    """`logs/tensorboard/trial-00007`, for `tensorboard --logdir`; its HPARAMS page compares trials.

    A writer is a thread and an open file. It is closed when a job ends; the next job opens another.
    """

    rewrites = True
    first_logged: int | None = None  # the trial whose first objective `open` has just logged

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        name = f"trial-{trial.number:05}"
        opened = TensorBoardLogger(self.folder, "tensorboard", name, default_hp_metric=False)
        if not self.epochs[trial.number]:
            value = {self.metric: first[self.metric]} if self.metric in first else None
            # Logs the value too: HPARAMS shows a trial by a metric that it has.
            opened.log_hyperparams(dict(trial.params), value, step=1)
            self.first_logged = trial.number if value else None
        return opened

    def unlogged(self, trial: Trial, metrics: Mapping[str, float]) -> dict[str, float]:
        own = dict(metrics)
        if self.first_logged == trial.number:
            self.first_logged = None
            own.pop(self.metric)
        return own

    def log_state(self, trial: Trial) -> None:
        if trial.state is not State.RUNNING and trial.number in self.loggers:
            self._close(trial.number)

    def end(self, queue: Queue) -> None:
        for number in list(self.loggers):  # of jobs that were interrupted
            self._close(number)

    def _close(self, number: int) -> None:
        opened = self.loggers.pop(number)
        opened.save()  # first, because it opens the writer of a trial without metrics
        opened.finalize("success")
