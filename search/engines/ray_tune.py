"""The Ray engine: a job is a Ray Tune trial. Only the files `ray_*.py` import Ray.

Tune asks the searcher for a job whenever a worker is free, runs it in an actor that stays for the next job,
and tells the searcher the results.
"""

import faulthandler
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
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
from ray.air._internal import usage
from ray.air.execution._internal import actor_manager
from ray.tune.execution import tune_controller
from ray.util.metrics import Gauge

from search.core.job import Job
from search.engines import ray_cluster, ray_join
from search.engines.base import Engine, JobQueue, Train
from search.engines.gpu_share import GpuShare
from search.engines.ray_searcher import Losses, NoProgress, QueueSearcher, StopOnError
from spaces.lane import EngineError, ProcessDied, Report, StorageError
from spaces.messages import describe_with_place

logger = logging.getLogger(__name__)
# Tune takes the first of these for the death of a worker, and ends with a traceback after the others.
for module in (actor_manager, tune_controller):
    module.RayActorError = ray_cluster.DEATHS
# This counts callbacks for Ray's statistics of usage, and imports MLflow, W&B and Comet for it: 1.2 s.
usage.tag_callbacks = lambda callbacks: False


@final
class RayEngine(Engine):
    """`RayEngine(train, ...).run(queue)` trains the jobs of the queue on a Ray cluster.

    Joins the cluster at RAY_ADDRESS, or starts one on this machine (`ray_cluster.py`, `ray_join.py`). Raises
    ValueError if there is none to join, or if the cluster can never run a job.

    With `gpus_per_job=auto` jobs on one device share GPUs (`gpu_share.py`), unless `deterministic`: what runs
    at once then depends on measurements.
    """

    def __init__(
        self,
        train: Train,
        *,
        name: str,
        cpus_per_job: float,
        gpus_per_job: float | str,
        devices_per_trial: int = 1,
        deterministic: bool = False,
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
        whole = ray_join.per_job(cpus_per_job, gpus_per_job, devices_per_trial)
        self.cpus = whole["CPU"]
        shares = gpus_per_job == "auto" and whole["GPU"] == 1 and not deterministic
        self.scales = ray_join.scales()
        only = not self.scales and sum(node.get("GPU", 0.0) for node in ray_join.nodes()) == 1
        self.share = GpuShare(whole["GPU"], shares, only)
        if shortage := ray_join.shortage(whole, devices_per_trial):
            if not self.scales:
                self.close()
                raise ValueError(shortage)
            logger.warning("%s: the search waits for the cluster's autoscaler", shortage)

    @property
    def dashboard(self) -> str | None:
        return self.address

    @property
    def workers(self) -> int:
        return self._workers(())

    def _workers(self, held: Sequence[float]) -> int:
        """Number of jobs that run at once, given the GPUs of those that run now."""
        if self.share.waits:
            return 1
        return ray_join.workers({"CPU": self.cpus, "GPU": self.share.need}, self.scales, held)

    def run(self, queue: JobQueue) -> None:
        searcher = QueueSearcher(queue, self._workers, self.share)
        try:
            self._tune(searcher)
        except KeyboardInterrupt as error:
            if self.guard and self.guard.cause:
                raise EngineError(self.guard.cause) from error
            raise
        if searcher.error:
            raise searcher.error

    def _tune(self, searcher: QueueSearcher) -> None:
        with tempfile.TemporaryDirectory(prefix="ladder-tune-") as scratch:
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(Worker, train=self.train, name=self.name),
                    partial(resources, self.cpus),
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


def resources(cpus: float, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """What Tune asks Ray for to run the job of a configuration."""
    needs = {"CPU": cpus, "GPU": config["gpus"]}
    return tune.PlacementGroupFactory([{kind: need for kind, need in needs.items() if need}])


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
        except ProcessDied:  # with it ends this worker, whose job is then lost and not failed
            logger.exception("%s is lost", self.job.title)
            os._exit(1)
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
