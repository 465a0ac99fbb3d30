"""`logger=tensorboard`: an event file per trial."""

from collections.abc import Mapping
from typing import final

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from search.core.job import State, Trial
from search.core.queue import Queue
from search.watch.loggers.base import Logs


@final
class TensorBoardLogs(Logs):
    """`logs/tensorboard/trial-00007`, for `tensorboard --logdir`; its HPARAMS page compares trials.

    A writer is a thread and an open file, so it is closed when a job ends; a trial that goes on gets another.
    """

    anew = True

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        name = f"trial-{trial.number:05}"
        opened = TensorBoardLogger(self.folder, "tensorboard", name, default_hp_metric=False)
        value = {self.metric: first[self.metric]} if self.metric in first else None
        opened.log_hyperparams(dict(trial.params), value, step=self.logged[trial.number] + 1)
        return opened

    def tell(self, trial: Trial) -> None:
        if trial.state is not State.RUNNING and trial.number in self.loggers:
            self._close(trial.number)

    def end(self, queue: Queue) -> None:
        for number in list(self.loggers):  # of jobs that were broken off
            self._close(number)

    def _close(self, number: int) -> None:
        opened = self.loggers.pop(number)
        opened.save()  # first, for it opens the writer of a trial that has logged nothing
        opened.finalize("success")
