"""The side of Tune: a searcher that asks the queue for jobs, and listeners that tell it how they ended."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from search.core.job import Job
from search.core.rungs import Done
from search.engines.base import JobQueue
from search.engines.gpu_share import GpuShare
from spaces.lane import OutOfMemory, StorageError, is_memory_error
from spaces.messages import describe

WORKER_DIED = "its worker died (see run.log)"
BESIDE_OTHERS = " (beside other jobs on a GPU; its next try has more of the GPU)"
LOW_MEMORY = "running low on memory"  # in Ray's message
OUT_OF_MEMORY = "the machine ran low on memory, and Ray ended the worker (cpus_per_job=... for fewer at once)"


class QueueSearcher(Searcher):
    """The verbs of the queue as Tune's searcher. It never raises, for Tune would blame the trial.

    `workers`: how many jobs may run at once, given the GPUs that each running one has.
    """

    def __init__(self, queue: JobQueue, workers: Callable[[Sequence[float]], int], share: GpuShare) -> None:
        super().__init__()
        self.queue, self.workers, self.share = queue, workers, share
        self.jobs: dict[str, Job] = {}
        self.gpus: dict[str, float] = {}  # of each of these
        self.singly = 0  # jobs to run one at a time, to find one that does not fit in memory
        self.single: set[str] = set()  # those that were begun so
        self.errors: dict[str, str] = {}
        self.error: BaseException | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        try:
            if self.error:
                return Searcher.FINISHED
            workers = 1 if self.singly else self.workers(list(self.gpus.values()))
            if len(self.jobs) >= workers:
                return None  # a decision made when a worker is free knows more than one made ahead
            job = self.queue.next_job()
        except Exception as error:
            self.error = error
            return Searcher.FINISHED
        if isinstance(job, Job):
            self.jobs[trial_id], self.gpus[trial_id] = job, self.share.need
            self.single |= {trial_id} if workers == 1 else set()
            return {"job": job, "gpus": self.gpus[trial_id]}
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
        job, gpus = self._ended(trial_id)
        try:
            if self.error:
                return  # the search ends; a resumed one trains this job again
            if cause := self.errors.pop(trial_id, None):
                if is_memory_error(cause) and self.share.ran_out(gpus):
                    self.queue.lose(job, cause + BESIDE_OTHERS)
                else:
                    self.queue.fail(job, cause)
            else:
                self.queue.finish(job, job.checkpoint)
        except Exception as failure:
            self.error = self.error or failure

    def lost(self, trial_id: str, error: str) -> None:
        """The worker of a job is gone. A job that was alone when memory ran out does not fit in it."""
        (job, _), memory = self._ended(trial_id), LOW_MEMORY in error
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

    def _ended(self, trial_id: str) -> tuple[Job, float]:
        """The job, which no longer runs, and its GPUs."""
        if trial_id in self.single:
            self.singly = max(0, self.singly - 1)
        return self.jobs.pop(trial_id), self.gpus.pop(trial_id)

    def _receive(self, trial_id: str, result: dict[str, Any]) -> None:
        try:
            if "storage_error" in result:
                raise StorageError(result["storage_error"])
            if "error" in result:
                self.errors[trial_id] = result["error"]
            elif "report" in result:
                self.share.took(result["report"].memory, self.gpus[trial_id])
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
