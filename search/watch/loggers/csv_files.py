"""`logger=csv`: a CSV file per trial."""

from collections.abc import Mapping
from typing import final

from lightning.pytorch.loggers import CSVLogger, Logger

from search.core.job import Trial
from search.core.queue import Queue
from search.watch.loggers.base import TrialLogger


@final
class CsvTrials(TrialLogger):
    """`logs/csv/trial-00007/metrics.csv`, and `hparams.yaml` beside it."""

    rewrites = True

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        opened = CSVLogger(self.folder, "csv", f"trial-{trial.number:05}", flush_logs_every_n_steps=1)
        opened.log_hyperparams(dict(trial.params))
        return opened

    def log_state(self, trial: Trial) -> None:
        self._logger(trial, {}).log_hyperparams({"state": trial.state.value})

    def end(self, queue: Queue) -> None:
        """Nothing: each row is written already."""
