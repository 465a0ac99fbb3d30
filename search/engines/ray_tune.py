"""The Ray engine: a job is a Ray Tune trial. The only file that imports Ray.

Tune asks the searcher for the next job whenever there is room, runs it in an actor that it uses again for
the job after, and tells the searcher what came of it.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # they cost more than small trials do
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is ours: see search/runs/run.py
# Actors start side by side, not one after the other. How many there may be, the searcher says.
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
# Each job trains in a new thread; with a heap each, a worker would hold the memory of several jobs.
os.environ.setdefault("MALLOC_ARENA_MAX", "1")

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from search.core.job import Job, Report, StorageError
from search.core.rungs import Done
from search.engines.local import JobQueue, describe
from search.engines.train_job import Train, checkpoint_name

logger = logging.getLogger(__name__)
OBJECT_STORE_BYTES = 256 * 2**20  # reports are small; data and checkpoints travel by file


class RayEngine:
    """`RayEngine(train, ...).run(queue)` runs the queue dry on a Ray cluster.

    Joins the cluster of RAY_ADDRESS, or else starts one on this machine, with its dashboard on 127.0.0.1
    behind token authentication. Raises ValueError if the cluster can't ever run a job.
    """

    def __init__(self, train: Train, *, name: str, cpus_per_job: float, gpus_per_job: float | str) -> None:
        self.train, self.name = train, name
        self.gauges: dict[str, Gauge] = {}
        if not ray.is_initialized():
            if os.environ.get("RAY_ADDRESS"):
                context = ray.init(logging_level=logging.WARNING)
            else:
                context = ray.init(
                    include_dashboard=True,
                    dashboard_host="127.0.0.1",
                    object_store_memory=OBJECT_STORE_BYTES,
                    logging_level=logging.ERROR,
                )
            self.dashboard = context.dashboard_url and f"http://{context.dashboard_url}"
        else:
            self.dashboard = None
        available = ray.cluster_resources()
        gpus = available.get("GPU", 0.0)
        if gpus_per_job == "auto":
            gpus_per_job = 1.0 if gpus else 0.0
        self.per_job = {"CPU": float(cpus_per_job), "GPU": float(gpus_per_job)}
        for kind, key in (("CPU", "cpus_per_job"), ("GPU", "gpus_per_job")):
            if self.per_job[kind] > available.get(kind, 0.0):
                have = f"{available.get(kind, 0.0):g}"
                self.close()
                raise ValueError(
                    f"{key} is {self.per_job[kind]:g}, but the cluster has {have} {kind}s ({key}=...)"
                )

    @property
    def workers(self) -> int:
        """How many jobs the cluster has room for at once."""
        available = ray.cluster_resources()
        return max(
            1, min(int(available.get(kind, 0.0) / need) for kind, need in self.per_job.items() if need)
        )

    def run(self, queue: JobQueue) -> None:
        """Runs jobs until the queue is done. What a job raises is the job's failure.

        Raises StorageError when a job does, and what the queue raises.
        """
        searcher = QueueSearcher(queue, lambda: self.workers)
        with tempfile.TemporaryDirectory(prefix="ladder-tune-") as scratch:
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(Worker, train=self.train, name=self.name),
                    {kind.lower(): need for kind, need in self.per_job.items() if need},
                ),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    num_samples=-1,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.config["job"].title.replace(" ", "_"),
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name=self.name,
                    storage_path=scratch,
                    verbose=0,
                    stop=StopOnError(searcher),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            ).fit()
        if searcher.error:
            raise searcher.error

    def publish(self, name: str, about: str, value: float, tags: Mapping[str, str]) -> None:
        """Sets a gauge; each node's metrics port exports it to Prometheus as `ray_NAME`."""
        if name not in self.gauges:
            self.gauges[name] = Gauge(name, about, tuple(tags))
        self.gauges[name].set(value, dict(tags))

    def close(self) -> None:
        """Stops the cluster that was started here, or leaves the one that was joined."""
        ray.shutdown()


class Worker(tune.Trainable):
    """An actor that trains one job after the other; a step is an epoch."""

    def setup(self, config: dict[str, Any], train: Train, name: str) -> None:
        self.train_job, self.name = train, name
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.job: Job = new_config["job"]
        self.reports: Iterator[Report] = iter(self.train_job(self.job))
        self.alive = {lane.number for lane in self.job.lanes}
        return True

    def step(self) -> dict[str, Any]:
        # The title is what the Ray dashboard and `ps` show of a worker that is used again and again.
        ray._raylet.setproctitle(f"ray::{self.name} {self.job.title}")
        try:
            report = next(self.reports)
            self.alive -= report.diverged
            done = report.epoch == self.job.last or not self.alive
            if done:
                assert next(self.reports, None) is None, "a job ends with its last epoch"
            return {"report": report, "done": done}
        except StorageError as error:
            return {"unwritable": str(error), "done": True}
        except Exception as error:  # told as a result, so that the actor and the error's text survive
            logger.exception("%s failed", self.job.title)
            return {"error": describe(error), "done": True}

    def __repr__(self) -> str:
        return f"{self.name} worker"


class QueueSearcher(Searcher):
    """The queue's four verbs as Tune's searcher. It never raises, for Tune would blame the trial."""

    def __init__(self, queue: JobQueue, workers: Any) -> None:
        super().__init__()
        self.queue, self.workers = queue, workers
        self.jobs: dict[str, Job] = {}
        self.errors: dict[str, str] = {}
        self.error: BaseException | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        try:
            if self.error:
                return Searcher.FINISHED
            if len(self.jobs) >= self.workers():
                return None  # a decision made when there is room knows more than one made ahead
            job = self.queue.next_job()
        except Exception as error:
            self.error = error
            return Searcher.FINISHED
        if isinstance(job, Job):
            self.jobs[trial_id] = job
            return {"job": job}
        return Searcher.FINISHED if isinstance(job, Done) else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._take(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if result:
            self._take(trial_id, result)
        job = self.jobs.pop(trial_id)
        try:
            if error:
                self.errors[trial_id] = "the worker died (out of memory, or its machine is gone; see run.log)"
            if self.error:
                return  # the search ends; what this job was doing is done again when it is resumed
            if trial_id in self.errors:
                self.queue.fail(job, self.errors.pop(trial_id))
            else:
                self.queue.finish(job, checkpoint_name(job))
        except Exception as failure:
            self.error = self.error or failure

    def _take(self, trial_id: str, result: dict[str, Any]) -> None:
        try:
            if "unwritable" in result:
                raise StorageError(result["unwritable"])
            if "error" in result:
                self.errors[trial_id] = result["error"]
            elif "report" in result:
                self.queue.report(result["report"])
        except Exception as failure:
            self.error = self.error or failure

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its searcher to restore it; here the study is the state

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""


class StopOnError(tune.Stopper):
    """Ends the whole run when the queue has raised."""

    def __init__(self, searcher: QueueSearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.searcher.error is not None
