"""Trials told to a logger that the user knows: `logger=csv`, `tensorboard`, `mlflow` or `wandb`.

Each trial has a Lightning logger of its own, which the searching process writes to as epochs are reported.
"""

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from results.files import write_text
from search.config import RunConfig
from search.engines.local import describe
from search.job import State, Trial
from search.logs import Logs
from search.queue import Queue

ENDED = (State.COMPLETE, State.STOPPED, State.DIVERGED, State.FAILED)
GONE_WRONG = (State.DIVERGED, State.FAILED)


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


@final
class MlflowLogs(Logs):
    """An MLflow run a trial, nested under the search's, in `logs/mlflow.db` or at MLFLOW_TRACKING_URI.

    The parent's id is kept in `logs/mlflow.parent`, so that a resumed search goes on in it.
    """

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(config, folder, say)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self.folder.mkdir(exist_ok=True)
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.folder}/mlflow.db"
        kept = self.folder / "mlflow.parent"
        parent = kept.read_text() if kept.exists() else None
        self.parent = self._open(folder.name, parent, {})
        self.client = self.parent.experiment
        self.runs: dict[int, str] = {}
        if parent is None:
            write_text(kept, str(self.parent.run_id))
            plain = config.plain()
            self.parent.log_hyperparams(
                {key: plain[key] for key in ("trials", "epochs", "grace", "eta", "seed")}
            )
        else:
            self.client.update_run(parent, status="RUNNING")
            self._find(parent)

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        tags = {"mlflow.parentRunId": str(self.parent.run_id), "trial": str(trial.number)}
        opened = self._open(f"trial {trial.number}", self.runs.get(trial.number), tags)
        if trial.number not in self.told:
            self.runs[trial.number] = str(opened.run_id)
            opened.log_hyperparams(dict(trial.params))
        return opened

    def tell(self, trial: Trial) -> None:
        run = self.runs[trial.number]
        if trial.error:
            self.client.set_tag(run, "error", trial.error)
        if trial.state in ENDED:
            self.client.set_terminated(run, "FAILED" if trial.state in GONE_WRONG else "FINISHED")
        self.client.set_tag(run, "state", trial.state.value)  # last: what a resumed search goes by

    def end(self, queue: Queue) -> None:
        best = queue.best()
        if best:
            self.parent.log_metrics({f"best {self.metric}": best.values[-1]}, step=len(queue.trials))
            self.client.set_tag(self.parent.run_id, "best trial", str(best.number))
        whole = all(trial.state in ENDED for trial in queue.trials.values())
        self.client.set_terminated(self.parent.run_id, "FINISHED" if whole else "KILLED")

    def _open(self, name: str, run: str | None, tags: dict[str, str]) -> MLFlowLogger:
        artifacts = str(self.folder / "mlflow") if self.uri.startswith("sqlite:") else None
        return MLFlowLogger(
            experiment_name=self.config.space.name,
            run_name=name,
            tracking_uri=self.uri,
            tags=tags,
            run_id=run,
            artifact_location=artifacts,
        )

    def _find(self, parent: str) -> None:
        """The runs of a search that goes on, and how far each has come."""
        where, token = f"tags.`mlflow.parentRunId` = '{parent}'", None
        while True:
            page = self.client.search_runs([self.parent.experiment_id], where, page_token=token)
            for run in page:
                number = int(run.data.tags["trial"])
                self.runs[number] = run.info.run_id
                history = self.client.get_metric_history(run.info.run_id, "seconds")
                self.logged[number] = max((metric.step for metric in history), default=0)
                if "state" in run.data.tags:
                    self.told[number] = State(run.data.tags["state"])
            token = page.token
            if not token:
                return


@final
class WandbLogs(Logs):
    """A run a trial on Weights & Biases, grouped by search; in `logs/wandb` where there is no API key."""

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        import wandb

        super().__init__(config, folder, say)
        self.folder.mkdir(exist_ok=True)
        self.group = folder.name
        self.mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
        if self.mode != "online":
            self.clear()
        kept = self.folder / "wandb.id"
        if not kept.exists():
            write_text(kept, uuid.uuid4().hex[:8])
        self.id = kept.read_text()

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
            self.logged[trial.number] = int(opened.experiment.summary.get("trainer/global_step", 0))
        return opened

    def tell(self, trial: Trial) -> None:
        run = self._logger(trial, {}).experiment  # type: ignore[attr-defined]
        run.summary["state"] = trial.state.value
        if trial.state is not State.RUNNING:
            run.finish(exit_code=int(trial.state in GONE_WRONG))
            del self.loggers[trial.number]

    def end(self, queue: Queue) -> None:
        for logger in self.loggers.values():  # of jobs that were broken off
            logger.experiment.finish(exit_code=1)  # type: ignore[attr-defined]


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
