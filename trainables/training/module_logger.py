"""`self.logger` of a module that is no Learner, where its Trainer has no logger of the user's."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger


def module_logger(folder: str | None, number: int) -> Logger:
    """TensorBoard's files of trial `number` in `folder`; without that a logger that keeps nothing."""
    return DummyLogger() if folder is None else Pictures(Path(folder), f"trial-{number:05}")


@final
class Pictures(TensorBoardLogger):
    """Keeps what the module itself gives to `self.logger.experiment`: images, histograms, texts.

    The search logs metrics and hyperparameters, one point per epoch, so this keeps none of them.
    """

    def __init__(self, folder: Path, trial: str) -> None:
        super().__init__(folder, trial, version="")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        pass  # the search does

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *more: Any, **others: Any) -> None:
        pass  # the search does

    def save(self) -> None:
        pass  # hyperparameters, of which there are none
