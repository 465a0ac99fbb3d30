"""`logger=wandb`: a Weights & Biases run per trial, grouped by search."""

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from lightning.pytorch.loggers import Logger, WandbLogger

from results.files import write_text
from search.config.run_config import RunConfig
from search.core.job import State, Trial
from search.core.queue import Queue
from search.watch.loggers.base import UNSUCCESSFUL, TrialLogger


@final
class WandbTrials(TrialLogger):
    """A run per trial on Weights & Biases, or in `logs/wandb` where there is no API key."""

    rewrites = False  # unless it is offline: see __init__

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        import wandb

        super().__init__(config, folder, say)
        self.folder.mkdir(exist_ok=True)
        self.group = folder.name
        self.mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
        if self.mode != "online":
            self.clear()
        file = self.folder / "wandb.id"
        if not file.exists():
            write_text(file, uuid.uuid4().hex[:8])
        self.id = file.read_text()

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        opened = WandbLogger(
            name=f"{self.group} trial {trial.number}",
            save_dir=self.folder,
            id=f"{self.id}-{trial.number}",
            project=self.config.space.name,
            group=self.group,
            mode=self.mode,
            reinit="create_new",  # several at once
        )
        opened.log_hyperparams(dict(trial.params))
        if self.mode == "online":
            self.epochs[trial.number] = int(opened.experiment.summary.get("trainer/global_step", 0))
        return opened

    def log_state(self, trial: Trial) -> None:
        run = self._logger(trial, {}).experiment  # type: ignore[attr-defined]
        run.summary["state"] = trial.state.value
        if trial.state is not State.RUNNING:
            run.finish(exit_code=int(trial.state in UNSUCCESSFUL))
            del self.loggers[trial.number]

    def end(self, queue: Queue) -> None:
        for logger in self.loggers.values():  # of jobs that were interrupted
            logger.experiment.finish(exit_code=1)  # type: ignore[attr-defined]
