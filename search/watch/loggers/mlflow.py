"""`logger=mlflow`: an MLflow run per trial, nested under the run of the search."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from lightning.pytorch.loggers import Logger, MLFlowLogger

from results.files import write_text
from search.config.run_config import RunConfig
from search.core.job import State, Trial
from search.core.queue import Queue
from search.watch.loggers.base import UNSUCCESSFUL, TrialLogger

ENDED = (State.COMPLETE, State.STOPPED, *UNSUCCESSFUL)


@final
class MlflowTrials(TrialLogger):
    """An MLflow run per trial in `logs/mlflow.db` or at MLFLOW_TRACKING_URI.

    `logs/mlflow.parent` has the id of the run of the search, which a resumed search continues.
    """

    rewrites = False

    def __init__(self, config: RunConfig, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(config, folder, say)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self.folder.mkdir(exist_ok=True)
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.folder}/mlflow.db"
        file = self.folder / "mlflow.parent"
        parent = file.read_text() if file.exists() else None
        self.parent = self._open(folder.name, parent, {})
        self.client = self.parent.experiment
        self.runs: dict[int, str] = {}
        if parent is None:
            write_text(file, str(self.parent.run_id))
            plain = config.plain()
            self.parent.log_hyperparams(
                {key: plain[key] for key in ("trials", "epochs", "grace", "eta", "seed")}
            )
        else:
            self.client.update_run(parent, status="RUNNING")
            self._read_runs(parent)

    def open(self, trial: Trial, first: Mapping[str, float]) -> Logger:
        tags = {"mlflow.parentRunId": str(self.parent.run_id), "trial": str(trial.number)}
        opened = self._open(f"trial {trial.number}", self.runs.get(trial.number), tags)
        if trial.number not in self.states:
            self.runs[trial.number] = str(opened.run_id)
            opened.log_hyperparams(dict(trial.params))
        return opened

    def log_state(self, trial: Trial) -> None:
        run = self.runs[trial.number]
        if trial.error:
            self.client.set_tag(run, "error", trial.error)
        if trial.state in ENDED:
            self.client.set_terminated(run, "FAILED" if trial.state in UNSUCCESSFUL else "FINISHED")
        self.client.set_tag(run, "state", trial.state.value)  # last: a resumed search relies on it

    def end(self, queue: Queue) -> None:
        best = queue.best()
        if best:
            self.parent.log_metrics({f"best {self.metric}": best.values[-1]}, step=len(queue.trials))
            self.client.set_tag(self.parent.run_id, "best trial", str(best.number))
        finished = all(trial.state in ENDED for trial in queue.trials.values())
        self.client.set_terminated(self.parent.run_id, "FINISHED" if finished else "KILLED")

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

    def _read_runs(self, parent: str) -> None:
        """Reads the runs of a resumed search, with the epochs and the state that each has logged."""
        where, token = f"tags.`mlflow.parentRunId` = '{parent}'", None
        while True:
            page = self.client.search_runs([self.parent.experiment_id], where, page_token=token)
            for run in page:
                number = int(run.data.tags["trial"])
                self.runs[number] = run.info.run_id
                history = self.client.get_metric_history(run.info.run_id, "seconds")
                self.epochs[number] = max((metric.step for metric in history), default=0)
                if "state" in run.data.tags:
                    self.states[number] = State(run.data.tags["state"])
            token = page.token
            if not token:
                return
