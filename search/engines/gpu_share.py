"""The part of a GPU that a job asks for: as many jobs share one as fit, by what jobs were seen to take."""

from dataclasses import dataclass, replace
from typing import final

from spaces.lane import DeviceMemory

MARGIN = 1.25  # room of a job, times what was seen: other trials and later epochs may take more
MOST = 8  # jobs on a GPU, whose steps take turns
STEPS = 10_000  # Ray counts resources in ten-thousandths


@final
@dataclass(frozen=True)
class Seen:
    """The most that jobs took of the memory of their GPU, as shares of all of it; 0 before any was seen."""

    peak: float = 0.0  # of the job itself
    outside: float = 0.0  # in use besides while one job had the GPU: CUDA's context, other programs
    most: int = MOST  # jobs on a GPU; fewer after one that ran out of memory

    def after(self, memory: DeviceMemory, jobs: int) -> "Seen":
        """One of `jobs` on a GPU took this much. What others took besides it is known only of one alone."""
        outside = memory.outside if jobs == 1 else 0.0
        return replace(self, peak=max(self.peak, memory.peak), outside=max(self.outside, outside))

    def after_failure(self, jobs: int) -> "Seen":
        """One of `jobs` on a GPU ran out of memory."""
        return replace(self, most=min(self.most, max(1, jobs // 2)))

    @property
    def jobs(self) -> int:
        """How many jobs may share a GPU; one before any was seen."""
        need = MARGIN * (self.peak + self.outside)
        return max(1, min(self.most, int(1 / need))) if need else 1


def part(jobs: int) -> float:
    """The GPUs that each of `jobs` on one asks for, rounded down so that all of them fit."""
    return STEPS // jobs / STEPS


@final
class GpuShare:
    """What the next job asks for: `gpus`, or a part of one GPU if jobs may share it (`shares`).

    `only`: whether the cluster has a single GPU, and gets no other. There the first job, which has it alone,
    asks for the smallest part. Where that is the part of later jobs too, its worker goes on with them; a new
    one would take ten seconds to begin.
    """

    def __init__(self, gpus: float, shares: bool, only: bool = False) -> None:
        self.gpus, self.shares, self.only, self.seen = gpus, shares, only, Seen()

    @property
    def waits(self) -> bool:
        """Whether jobs run one at a time, until the first has told what it takes."""
        return self.shares and self.only and not self.seen.peak

    @property
    def need(self) -> float:
        """GPUs of the next job."""
        if not self.shares:
            return self.gpus
        return part(MOST if self.waits else self.seen.jobs)

    def took(self, memory: DeviceMemory | None, gpus: float) -> None:
        """A job that asked for so many GPUs has reported what it took."""
        if self.shares and memory:
            self.seen = self.seen.after(memory, 1 if self.waits else round(1 / gpus))

    def ran_out(self, gpus: float) -> bool:
        """A job that asked for so many ran out of memory; returns whether it may fit with more."""
        if not self.shares or self.waits or gpus == 1:
            return False
        self.seen = self.seen.after_failure(round(1 / gpus))
        return True
