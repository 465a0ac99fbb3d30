"""The Ray engine: a job is a Ray Tune trial. The only file that imports Ray.

Tune asks the searcher for a job whenever a worker is free, runs it in an actor that stays for the next job,
and tells the searcher the results.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # they cost more than small trials do
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # search/runs/run.py handles Ctrl-C
# Actors start side by side, not one after the other. The searcher limits their number.
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
# Each job trains in a new thread. With one heap per thread a worker would hold the memory of several jobs.
os.environ.setdefault("MALLOC_ARENA_MAX", "1")

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from search.core.job import Job
from search.core.rungs import Done
from search.engines.base import Engine, JobQueue, Train
from spaces.lane import Report, StorageError
from spaces.messages import describe

logger = logging.getLogger(__name__)
OBJECT_STORE_BYTES = 256 * 2**20  # reports are small; data and checkpoints travel by file
WORKER_DIED = "the worker died (out of memory, or its machine is gone; see run.log)"


@final
class RayEngine(Engine):
    """`RayEngine(train, ...).run(queue)` trains the jobs of the queue on a Ray cluster.

    Joins the cluster at RAY_ADDRESS, or starts one on this machine, with its dashboard on 127.0.0.1 behind
    token authentication. Raises ValueError if the cluster can never run a job.
    """

    def __init__(self, train: Train, *, name: str, cpus_per_job: float, gpus_per_job: float | str) -> None:
        self.train, self.name = train, name
        self.gauges: dict[str, Gauge] = {}
        self.address: str | None = None
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
            self.address = context.dashboard_url and f"http://{context.dashboard_url}"
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
    def dashboard(self) -> str | None:
        return self.address

    @property
    def workers(self) -> int:
        available = ray.cluster_resources()
        return max(
            1, min(int(available.get(kind, 0.0) / need) for kind, need in self.per_job.items() if need)
        )

    def run(self, queue: JobQueue) -> None:
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

    def close(self) -> None:
        """Stops a cluster that was started here; leaves one that was joined."""
        ray.shutdown()

    def publish(self, name: str, about: str, value: float, tags: Mapping[str, str]) -> None:
        """Sets a gauge; the metrics port of each node exports it to Prometheus as `ray_NAME`."""
        if name not in self.gauges:
            self.gauges[name] = Gauge(name, about, tuple(tags))
        self.gauges[name].set(value, dict(tags))


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
        set_process_title(f"ray::{self.name} {self.job.title}")
        try:
            report = next(self.reports)
            self.alive -= report.diverged
            done = report.epoch == self.job.last or not self.alive
            if done:
                assert next(self.reports, None) is None, "a job ends with its last epoch"
            return {"report": report, "done": done}
        except StorageError as error:
            return {"storage_error": str(error), "done": True}
        except (Exception, SystemExit) as error:  # as a result: actor and text of the error survive
            logger.exception("%s failed", self.job.title)
            return {"error": describe(error), "done": True}

    def __repr__(self) -> str:
        return f"{self.name} worker"


def set_process_title(title: str) -> None:
    """Names the process in `ps` and in Ray's dashboard. A private name of Ray, checked with 2.60."""
    ray._raylet.setproctitle(title)


class QueueSearcher(Searcher):
    """The verbs of the queue as Tune's searcher. It never raises, for Tune would blame the trial."""

    def __init__(self, queue: JobQueue, workers: Callable[[], int]) -> None:
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
                return None  # a decision made when a worker is free knows more than one made ahead
            job = self.queue.next_job()
        except Exception as error:
            self.error = error
            return Searcher.FINISHED
        if isinstance(job, Job):
            self.jobs[trial_id] = job
            return {"job": job}
        return Searcher.FINISHED if isinstance(job, Done) else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._receive(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if result:
            self._receive(trial_id, result)
        job = self.jobs.pop(trial_id)
        try:
            if error:
                self.errors[trial_id] = WORKER_DIED
            if self.error:
                return  # the search ends; a resumed one trains this job again
            if trial_id in self.errors:
                self.queue.fail(job, self.errors.pop(trial_id))
            else:
                self.queue.finish(job, job.checkpoint)
        except Exception as failure:
            self.error = self.error or failure

    def _receive(self, trial_id: str, result: dict[str, Any]) -> None:
        try:
            if "storage_error" in result:
                raise StorageError(result["storage_error"])
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
    """Ends the whole search when the queue has raised."""

    def __init__(self, searcher: QueueSearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.searcher.error is not None
