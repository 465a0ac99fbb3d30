"""The logger that the configuration names."""

from collections.abc import Callable
from pathlib import Path

from search.config.run_config import RunConfig
from search.core.queue import Queue
from search.engines.base import describe
from search.watch.loggers.base import Logs
from search.watch.loggers.csv_files import CsvLogs
from search.watch.loggers.mlflow import MlflowLogs
from search.watch.loggers.tensorboard import TensorBoardLogs
from search.watch.loggers.wandb import WandbLogs

LOGS: dict[str, type[Logs]] = {
    "csv": CsvLogs,
    "tensorboard": TensorBoardLogs,
    "mlflow": MlflowLogs,
    "wandb": WandbLogs,
}


def begin(config: RunConfig, folder: Path, queue: Queue, say: Callable[[str], None]) -> Logs:
    """The logger that the configuration names, told all that the queue has. Raises ValueError."""
    try:
        logs = LOGS[config.logger](config, folder, say)
        logs.begin(queue)
    except Exception as error:
        raise ValueError(f"logger={config.logger} can't be begun: {describe(error)}") from error
    return logs
