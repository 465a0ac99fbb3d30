"""The jobs that follow one that failed or was lost: which trials train again, alone or in smaller packs.

A pack that raises hides its culprit, so each of its trials is tried alone, for this rung only. A pack that
does not fit in memory is halved, and the new size holds for this rung and structure. A job whose worker is
gone is tried again as it was.
"""

from collections import Counter
from collections.abc import Sequence

from search.core.job import Job, Trial, structure_of
from spaces.lane import is_memory_error

MAX_RETRIES = 3  # of a job whose worker is gone
MAX_FIRST_LOSSES = 5  # workers gone in a row before any result; then the search ends


class Retries:
    """What is known from failed and lost jobs. `structure` names the parameters that shape the model."""

    def __init__(self, structure: Sequence[str]) -> None:
        self.structure = tuple(structure)
        self.alone: set[int] = set()  # trials that train alone up to their next rung
        self.losses: Counter[int] = Counter()  # of each trial
        self.sizes: dict[tuple[int | None, tuple[str, ...]], int] = {}  # packs that may fit in memory
        self.first_losses = 0  # before any result
        self.cause: str | None = None  # of the last one
        self.works = False  # whether a result has come

    def pack(self, rung: int, ready: Sequence[Trial], size: int) -> Sequence[Trial]:
        """The trials of the next job to `rung`, of at most `size` of those that are ready."""
        if alone := [trial for trial in ready if trial.number in self.alone]:
            return alone[:1]
        kind = structure_of(ready[0].params, self.structure)
        return ready[: min(size, self.sizes.get((rung, kind), size))]

    def failed(self, job: Job, error: str) -> None:
        """A pack has raised."""
        if is_memory_error(error):
            kind = structure_of(job.lanes[0].params, self.structure)
            self.sizes[job.rung, kind] = len(job.lanes) // 2
        else:
            self.alone |= {lane.number for lane in job.lanes}

    def lost(self, job: Job, cause: str) -> bool:
        """The worker of a job is gone; returns whether the job may be tried again."""
        numbers = [lane.number for lane in job.lanes]
        self.losses.update(numbers)
        self.first_losses, self.cause = self.first_losses + 1, cause
        if max(self.losses[number] for number in numbers) <= MAX_RETRIES:
            return True
        for number in numbers:
            del self.losses[number]
        if len(numbers) > 1:
            self.alone |= set(numbers)
        return len(numbers) > 1

    def reported(self) -> None:
        """A result has come."""
        self.works = True

    def reached(self, number: int) -> None:
        """A trial has reached its rung."""
        self.alone.discard(number)
        self.losses.pop(number, None)

    def hopeless(self) -> bool:
        """Whether workers die whatever they train."""
        return not self.works and self.first_losses >= MAX_FIRST_LOSSES
