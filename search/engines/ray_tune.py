"""The Ray engine: a job is a Ray Tune trial. Only this file, `ray_cluster.py` and `ray_join.py` import Ray.

Tune asks the searcher for a job whenever a worker is free, runs it in an actor that stays for the next job,
and tells the searcher the results.
"""

import faulthandler
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # they cost more than small trials do
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune then prints nothing
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # search/runs/run.py handles Ctrl-C
# Actors start side by side, not one after the other. The searcher limits their number.
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
# Within a cluster that can have one machine only, Ray binds its ports to 127.0.0.1.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1" if os.environ.get("RAY_ADDRESS") else "0")
# Each job trains in a new thread. With one heap per thread a worker would hold the memory of several jobs.
os.environ.setdefault("MALLOC_ARENA_MAX", "1")

import ray
from ray import tune
from ray.air.execution._internal import actor_manager
from ray.tune.execution import tune_controller
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from search.core.job import Job
from search.core.rungs import Done
from search.engines import ray_cluster, ray_join
from search.engines.base import Engine, JobQueue, Train
from spaces.lane import EngineError, OutOfMemory, Report, StorageError
from spaces.messages import describe, describe_with_place

logger = logging.getLogger(__name__)
WORKER_DIED = "its worker died (see run.log)"
LOW_MEMORY = "running low on memory"  # in Ray's message
OUT_OF_MEMORY = "the machine ran low on memory, and Ray ended the worker (cpus_per_job=... for fewer at once)"
# Tune takes the first of these for the death of a worker, and ends with a traceback after the others.
for module in (actor_manager, tune_controller):
    module.RayActorError = ray_cluster.DEATHS


@final
class RayEngine(Engine):
    """`RayEngine(train, ...).run(queue)` trains the jobs of the queue on a Ray cluster.

    Joins the cluster at RAY_ADDRESS, or starts one on this machine (`ray_cluster.py`, `ray_join.py`). Raises
    ValueError if there is none to join, or if the cluster can never run a job.
    """

    def __init__(
        self,
        train: Train,
        *,
        name: str,
        cpus_per_job: float,
        gpus_per_job: float | str,
        abandon: Callable[[str], object] = print,
        shows_output: bool = True,
    ) -> None:
        self.train, self.name = train, name
        self.gauges: dict[str, Gauge] = {}
        self.address: str | None = None
        self.guard: ray_cluster.Guard | None = None
        if not ray.is_initialized():
            self.address = ray_cluster.connect(shows_output)
            self.guard = ray_cluster.Guard(abandon)
            self.guard.start()
        if gpus_per_job == "auto":
            gpus_per_job = 1.0 if ray.cluster_resources().get("GPU", 0.0) else 0.0
        self.per_job = {"CPU": float(cpus_per_job), "GPU": float(gpus_per_job)}
        self.scales = ray_join.scales()
        if shortage := ray_join.shortage(self.per_job):
            if not self.scales:
                self.close()
                raise ValueError(shortage)
            logger.warning("%s: the search waits for the cluster's autoscaler", shortage)

    @property
    def dashboard(self) -> str | None:
        return self.address

    @property
    def workers(self) -> int:
        return ray_join.workers(self.per_job, self.scales)

    def run(self, queue: JobQueue) -> None:
        searcher = QueueSearcher(queue, lambda: self.workers)
        try:
            self._tune(searcher)
        except KeyboardInterrupt as error:
            if self.guard and self.guard.cause:
                raise EngineError(self.guard.cause) from error
            raise
        if searcher.error:
            raise searcher.error

    def _tune(self, searcher: "QueueSearcher") -> None:
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
                    progress_reporter=NoProgress(),
                    stop=StopOnError(searcher),
                    callbacks=[Losses(searcher)],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                ),
            ).fit()

    def close(self) -> None:
        """Stops a cluster that was started here; leaves one that was joined."""
        if self.guard:
            self.guard.end()
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
        if self.job.timeout:  # then this process prints where it hangs, and ends
            faulthandler.dump_traceback_later(self.job.timeout, exit=True)
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
            return {"error": describe_with_place(error), "done": True}
        finally:
            faulthandler.cancel_dump_traceback_later()

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
        self.singly = 0  # jobs to run one at a time, to find one that does not fit in memory
        self.single: set[str] = set()  # those that were begun so
        self.errors: dict[str, str] = {}
        self.error: BaseException | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        try:
            if self.error:
                return Searcher.FINISHED
            workers = 1 if self.singly else self.workers()
            if len(self.jobs) >= workers:
                return None  # a decision made when a worker is free knows more than one made ahead
            job = self.queue.next_job()
        except Exception as error:
            self.error = error
            return Searcher.FINISHED
        if isinstance(job, Job):
            self.jobs[trial_id] = job
            self.single |= {trial_id} if workers == 1 else set()
            return {"job": job}
        return Searcher.FINISHED if isinstance(job, Done) else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._receive(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if error:
            return  # the worker is gone; `lost` follows
        if result:
            self._receive(trial_id, result)
        job = self._ended(trial_id)
        try:
            if self.error:
                return  # the search ends; a resumed one trains this job again
            if trial_id in self.errors:
                self.queue.fail(job, self.errors.pop(trial_id))
            else:
                self.queue.finish(job, job.checkpoint)
        except Exception as failure:
            self.error = self.error or failure

    def lost(self, trial_id: str, error: str) -> None:
        """The worker of a job is gone. A job that was alone when memory ran out does not fit in it."""
        job, memory = self._ended(trial_id), LOW_MEMORY in error
        try:
            if self.error:
                return
            if memory and trial_id in self.single:
                self.queue.fail(job, describe(OutOfMemory(OUT_OF_MEMORY)))
            else:
                self.singly += memory
                self.queue.lose(job, OUT_OF_MEMORY if memory else WORKER_DIED)
        except Exception as failure:
            self.error = self.error or failure

    def _ended(self, trial_id: str) -> Job:
        """The job, which no longer runs."""
        if trial_id in self.single:
            self.singly = max(0, self.singly - 1)
        return self.jobs.pop(trial_id)

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


class NoProgress(tune.ProgressReporter):
    """Nothing, in place of Tune's own progress, which erases the output of a notebook cell."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: dict[str, Any]) -> None:
        pass  # it is never asked for


class Losses(tune.Callback):
    """Tells the searcher of each job that ended with its worker, and why."""

    def __init__(self, searcher: QueueSearcher) -> None:
        self.searcher = searcher

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.searcher.lost(trial.trial_id, Path(trial.error_file).read_text() if trial.error_file else "")


class StopOnError(tune.Stopper):
    """Ends the whole search when the queue has raised."""

    def __init__(self, searcher: QueueSearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.searcher.error is not None
