"""The jobs that follow one that failed or was lost: which trials train again, alone or in smaller packs.

A pack that raises hides its culprit, so each of its trials is tried alone, for this rung only. A pack that
does not fit in memory is halved, and the new size holds for this rung and structure. A job whose worker is
gone is tried again as it was.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from search.core.job import Job, Trial, structure_of
from spaces.lane import is_memory_error

MAX_RETRIES = 3  # of a job whose worker is gone
MAX_FIRST_LOSSES = 5  # workers gone in a row before any result; then the search ends


class Retries:
    """What is known from failed and lost jobs. `structure` names the parameters that shape the model.

    `plain` is what an earlier process knew of packs.
    """

    def __init__(self, structure: Sequence[str], plain: Mapping[str, Any] | None = None) -> None:
        plain = plain or {"alone": [], "sizes": []}
        self.structure = tuple(structure)
        self.alone: dict[int, int] = dict(plain["alone"])  # the rung up to which a trial trains alone
        # Lanes of a pack that may fit in memory, by rung and structure.
        self.sizes: dict[tuple[int, tuple[str, ...]], int] = {(r, tuple(k)): n for r, k, n in plain["sizes"]}
        self.losses: Counter[int] = Counter()  # of each trial
        self.first_losses = 0  # before any result
        self.cause: str | None = None  # of the last one
        self.works = False  # whether a result has come

    def pack(self, rung: int, ready: Sequence[Trial], size: int) -> Sequence[Trial]:
        """The trials of the next job to `rung`, of at most `size` of those that are ready."""
        if alone := [trial for trial in ready if self.alone.get(trial.number) == rung]:
            return alone[:1]
        kind = structure_of(ready[0].params, self.structure)
        return ready[: min(size, self.sizes.get((rung, kind), size))]

    def failed(self, job: Job, error: str) -> None:
        """A pack has raised."""
        assert job.rung is not None, "a job of the queue trains to a rung"
        if is_memory_error(error):
            kind = structure_of(job.lanes[0].params, self.structure)
            self.sizes[job.rung, kind] = len(job.lanes) // 2
        else:
            self.alone |= {lane.number: job.rung for lane in job.lanes}

    def lost(self, job: Job, cause: str) -> bool:
        """The worker of a job is gone; returns whether the job may be tried again."""
        numbers = [lane.number for lane in job.lanes]
        self.losses.update(numbers)
        self.first_losses, self.cause = self.first_losses + 1, cause
        if max(self.losses[number] for number in numbers) <= MAX_RETRIES:
            return True
        for number in numbers:
            del self.losses[number]
        if again := len(numbers) > 1:
            self.failed(job, cause)
        return again

    def reported(self) -> None:
        """A result has come."""
        self.works = True

    def reached(self, number: int) -> None:
        """A trial has reached its rung."""
        self.losses.pop(number, None)

    def plain(self) -> dict[str, Any]:
        """What is known of packs, as plain data."""
        sizes = [[rung, list(kind), size] for (rung, kind), size in self.sizes.items()]
        return {"alone": [list(pair) for pair in self.alone.items()], "sizes": sizes}

    def hopeless(self) -> bool:
        """Whether workers die whatever they train."""
        return not self.works and self.first_losses >= MAX_FIRST_LOSSES
