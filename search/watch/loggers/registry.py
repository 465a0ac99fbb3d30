"""All loggers by the name that `logger=NAME` takes. A new one needs its file and a line here."""

from collections.abc import Callable
from pathlib import Path

from search.config.run_config import RunConfig
from search.core.queue import Queue
from search.watch.loggers.base import TrialLogger
from search.watch.loggers.csv_files import CsvTrials
from search.watch.loggers.mlflow import MlflowTrials
from search.watch.loggers.tensorboard import TensorBoardTrials
from search.watch.loggers.wandb import WandbTrials
from spaces.messages import describe

LOGGERS: dict[str, type[TrialLogger]] = {
    "csv": CsvTrials,
    "tensorboard": TensorBoardTrials,
    "mlflow": MlflowTrials,
    "wandb": WandbTrials,
}


def begin(config: RunConfig, folder: Path, queue: Queue, say: Callable[[str], None]) -> TrialLogger:
    """The logger that the configuration names, with everything logged that the queue has so far.

    Raises ValueError if the logger cannot start.
    """
    try:
        chosen = LOGGERS[config.logger](config, folder, say)
        chosen.begin(queue)
    except Exception as error:
        raise ValueError(f"logger={config.logger} can't be begun: {describe(error)}") from error
    return chosen
