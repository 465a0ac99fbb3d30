"""Trial and Job: frozen data that the queue, the engines and the results exchange."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spaces.lane import Lane
from spaces.seeds import derive_seed

DEFAULT = -1  # number of the space's default configuration where it is no trial


class State(StrEnum):
    """State of a trial; the same words in every table."""

    RUNNING = "running"  # in a job
    PAUSED = "paused"  # at a rung
    COMPLETE = "complete"  # reached the last rung
    STOPPED = "stopped"  # never promoted
    DIVERGED = "diverged"  # its loss was not finite
    FAILED = "failed"  # its training raised


LOST = (State.DIVERGED, State.FAILED)  # states of a trial without a model


@dataclass(frozen=True)
class Trial:
    """One configuration and its results so far. It is an Optuna trial and has its number."""

    number: int
    params: Mapping[str, Any]
    state: State = State.PAUSED
    values: tuple[float, ...] = ()  # objective at each finished rung, the first one of several
    metrics: tuple[Mapping[str, float], ...] = ()  # there too, if several metrics rank trials
    order: tuple[int, ...] = ()  # of each value, a divergence or a lack of memory among all results
    epochs: int = 0  # trained and kept
    checkpoint: str | None = None  # of the last finished rung, relative to the folder of the run
    error: str | None = None
    seconds: float = 0.0
    device: str = ""
    node: str = ""


@dataclass(frozen=True)
class Job:
    """A pack of trials to train from one rung to the next.

    A job with a `confirm_seed` confirms its trials instead: this seed orders the batches, the best epoch of
    each lane is kept, and that epoch is scored on the test split.
    """

    number: int
    lanes: tuple[Lane, ...]
    first: int  # epochs done before the job
    last: int  # epochs done after it
    rung: int | None  # index of the rung at `last`; None in a confirmation
    confirm_seed: int | None = None
    timeout: float | None = None  # seconds to each epoch after which the job hangs; None: no limit

    @property
    def checkpoint(self) -> str:
        """File for the state of all lanes at `last`, relative to the folder of the run."""
        trial = f"trial-{self.lanes[0].number:05}"
        if self.confirm_seed is not None:
            return f"checkpoints/confirm/seed-{self.confirm_seed}-{trial}.safetensors"
        return f"checkpoints/{trial}-epoch-{self.last}.safetensors"

    @property
    def title(self) -> str:
        """`trial 7 epochs 3-9`, for the screen."""
        numbers = ", ".join(
            "default" if lane.number == DEFAULT else str(lane.number) for lane in self.lanes[:4]
        )
        plural = "s" if len(self.lanes) > 1 else ""
        more = f" and {len(self.lanes) - 4} more" if len(self.lanes) > 4 else ""
        return f"trial{plural} {numbers}{more} epochs {self.first}-{self.last}"


def structure_of(params: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """The values of the parameters `names`, which shape a model. Lanes of equal structure train as one."""
    return tuple(repr(params.get(name)) for name in names)


def common_structure_first(trials: Sequence[Trial], structure: Sequence[str]) -> list[Trial]:
    """The trials, those of the most common structure first, so that the lanes of a pack are alike."""
    of = {trial.number: structure_of(trial.params, structure) for trial in trials}
    counts = Counter(of.values())
    return sorted(trials, key=lambda trial: (-counts[of[trial.number]], of[trial.number]))


def trial_seed(seed: int, number: int, init_seed: int | None = None) -> int:
    """Seed of a trial's initial weights and dropout: `init_seed`, or derived from the run's seed."""
    return derive_seed(seed, number) if init_seed is None else init_seed
