"""`logger=csv`: a CSV file per trial."""

from collections.abc import Mapping
from typing import final

from lightning.pytorch.loggers import CSVLogger, Logger

from search.core.job import Trial
from search.core.queue import Queue
from search.watch.loggers.base import Logs


@final
class CsvLogs(Logs):
    """`logs/csv/trial-00007/metrics.csv`, and `hparams.yaml` beside it."""

    anew = True

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        opened = CSVLogger(self.folder, "csv", f"trial-{trial.number:05}", flush_logs_every_n_steps=1)
        opened.log_hyperparams(dict(trial.params))
        return opened

    def tell(self, trial: Trial) -> None:
        self._logger(trial, {}).log_hyperparams({"state": trial.state.value})

    def end(self, queue: Queue) -> None:
        """Each row is written already."""
