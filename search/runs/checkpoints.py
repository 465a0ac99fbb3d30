"""The checkpoints of a search: which trials use each, and the room that they take."""

from collections import defaultdict
from collections.abc import Iterable

from search.core.job import Job, State, Trial
from search.core.queue import Queue
from search.runs.mirror import Mirror

KEEPING = (State.RUNNING, State.PAUSED, State.COMPLETE)  # states in which a trial keeps its checkpoint


class Checkpoints:
    """Deletes each checkpoint of a run when no trial of the queue needs it any more.

    `limit` is the room for all of them in bytes; None: no limit.
    """

    def __init__(self, queue: Queue, files: Mirror, limit: int | None) -> None:
        self.queue, self.files, self.limit = queue, files, limit
        self.users: dict[str, set[int]] = defaultdict(set)  # trials that have or had each checkpoint
        self.sizes: dict[str, int] = {}  # in bytes
        self.largest = 0.0  # bytes of a trial
        self._note(queue.trials.values())

    def finished(self, job: Job) -> None:
        """A job has left its checkpoint. Its trials need their last one no longer, and others none at all."""
        self._note(self.queue.trials[lane.number] for lane in job.lanes)
        unused = {lane.start for lane in job.lanes if lane.start}
        unused |= {trial.checkpoint for trial in self.queue.stop_hopeless() if trial.checkpoint}
        for name in unused:
            trials = [self.queue.trials[number] for number in self.users[name]]
            if not any(trial.checkpoint == name and trial.state in KEEPING for trial in trials):
                self.files.delete([name])
                del self.users[name]
                self.sizes.pop(name, None)

    def most(self) -> float:
        """The most bytes that the search may need: all its trials at once."""
        return self.largest * self.queue.plan.trials

    def is_full(self) -> bool:
        """Whether the limit leaves no room for the checkpoints of as many new trials as may begin at once."""
        if self.limit is None:
            return False
        lanes = max((len(job.lanes) for job in self.queue.jobs.values()), default=1)
        workers = max(self.queue.plan.workers, len(self.queue.jobs))  # more where jobs share GPUs
        coming = self.largest * lanes * (workers + 1)
        return sum(self.sizes.values()) + coming > self.limit

    def delete_unused(self) -> None:
        """The search has ended: deletes all but those of complete trials and of the best trial."""
        best = self.queue.best()
        trials = self.queue.trials.values()
        used = {trial.checkpoint for trial in trials if trial.state in KEEPING or trial is best}
        # Those of a confirmation are in a folder of their own.
        searched = {name for name in self.files.sizes() if name.count("/") == 1}
        self.files.delete(searched - used)

    def _note(self, trials: Iterable[Trial]) -> None:
        """These trials may have a new checkpoint."""
        new = set()
        for trial in trials:
            if trial.checkpoint:
                self.users[trial.checkpoint].add(trial.number)
                new.add(trial.checkpoint)
        known = self.files.sizes() if len(new) > 1 else {name: self.files.size(name) for name in new}
        for name in new:
            if size := known.get(name):
                self.sizes[name] = size
                self.largest = max(self.largest, size / len(self.users[name]))
