"""Intervals over seeds and test samples together: how a mean varies with new seeds and new test samples.

Every seed is scored on every sample, so the two are crossed random effects: the score of seed i on sample j
is the mean, an effect of the seed, an effect of the sample, and a rest. Diagnostic studies have the same
design, with readers in place of seeds and cases in place of samples (Dorfman, Berbaum and Metz,
Investigative Radiology 27 (1992), 723-731). docs/decisions/0028-intervals-for-new-data.md compares ways to
an interval by simulation.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from results.stats import LEVEL, Estimate

Matrix = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of a two-way analysis of variance without replication."""

    seeds: float
    samples: float
    rest: float


def mean_squares(values: Matrix) -> MeanSquares:
    """Of `values`, of shape (seeds, samples), with at least two of each."""
    seeds, samples = values.shape
    by_seed, by_sample = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_sample + values.mean()
    return MeanSquares(
        samples * float(by_seed.var(ddof=1)),
        seeds * float(by_sample.var(ddof=1)),
        float((rest**2).sum()) / ((seeds - 1) * (samples - 1)),
    )


def crossed(values: Matrix, level: float = LEVEL) -> Estimate:
    """The mean of `values`, of shape (seeds, samples), and its interval for new seeds and new samples.

    The squares of two half widths are added, as for a sum of two independent estimates (MOVER: Zou and
    Donner, Statistics in Medicine 27 (2008), 1693-1702): Student's t over the seeds, and Student's t over
    the samples with their estimated effect, where a negative estimate counts as zero. So the interval
    contains that over the seeds alone. `sd` is None, for there is more than one. No interval with fewer
    than two seeds or samples.
    """
    seeds, samples = values.shape
    mean = float(values.mean())
    if seeds < 2 or samples < 2:
        return Estimate(mean, seeds)
    from scipy.special import stdtrit  # imported late: it is slow

    squares, tail = mean_squares(values), (1 + level) / 2
    of_seeds = float(stdtrit(seeds - 1, tail)) ** 2 * squares.seeds
    of_samples = float(stdtrit(samples - 1, tail)) ** 2 * max(squares.samples - squares.rest, 0.0)
    half = ((of_seeds + of_samples) / (seeds * samples)) ** 0.5
    return Estimate(mean, seeds, None, mean - half, mean + half)
