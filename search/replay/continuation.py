"""Continues the curves of trials that a search stopped early, by the courses of those that it promoted.

A search trains in stages: from one epoch at which trials stopped to the next. Over a stage, a trial takes the
course of a donor, drawn at random from the trials that were trained through it. The course is corrected by
a linear regression on the value at the start of the stage:

    t[e] = t[a] + mean[e] + slope[e] * (t[a] - mean start) + residual of the donor[e]

t is the logarithm of a positive loss, or of the odds of a share, so curves stay on their scale.
The donor brings the noise of real training. Promotion depends on the value at the start, which the
regression has as its input: so the choice of the promoted trials does not bias it. Mean and slope are
drawn from their posterior, for each continuation anew. This is a hot-deck imputation (Andridge and Little, "A
Review of Hot Deck Imputation for Survey Non-response", International Statistical Review 2010).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from scipy.special import expit, logit

from search.replay.record import Record
from spaces.seeds import derive_seed

Array = np.ndarray
SLOPE = 0.3  # prior standard deviation of a slope around 0


@final
@dataclass(frozen=True)
class Scale:
    """A scale on which curves run about parallel; lower is better."""

    to: Callable[[Array], Array]
    back: Callable[[Array], Array]

    @classmethod
    def of(cls, values: Array, sign: int) -> Self:
        """The scale for values of an objective; `sign` is that of the objective."""
        if sign == 1 and values.min() > 0:
            return cls(np.log, np.exp)
        inner = values[(values > 0) & (values < 1)]
        if sign == -1 and len(inner) and values.min() >= 0 and values.max() <= 1:
            least = min(inner.min(), 1 - inner.max()) / 2  # distance from 0 and 1 of values at these ends
            return cls(
                lambda v: -logit(np.clip(v, least, 1 - least)),
                lambda t: expit(-t),
            )
        return cls(lambda v: sign * v, lambda t: sign * t)


@final
@dataclass(frozen=True)
class Stage:
    """The courses of the donors from `first` to `last`, in epochs, as a regression on their starts."""

    first: int
    last: int
    start: float  # mean of the donors, on the scale
    mean: Array  # of their courses relative to the start, (epochs,)
    slope: Array
    residuals: Array  # (donors, epochs)
    mean_error: Array  # standard deviations of mean and slope, (epochs,)
    slope_error: Array

    @classmethod
    def of(cls, curves: Array, first: int, last: int) -> Self:
        """The stage of the donors' `curves`, (donors, epochs), on the scale."""
        count, starts = len(curves), curves[:, first - 1]
        courses = curves[:, first:last] - starts[:, None]
        mean, offset = courses.mean(axis=0), starts - starts.mean()
        centred = courses - mean
        variance = (centred**2).sum(axis=0) / (count - 1)
        weight = (offset**2).sum() + variance / SLOPE**2
        slope = np.divide(offset @ centred, weight, out=np.zeros_like(mean), where=weight > 0)
        residuals = (centred - offset[:, None] * slope) * (count / (count - 1)) ** 0.5
        slope_error = np.sqrt(np.divide(variance, weight, out=np.zeros_like(mean), where=weight > 0))
        mean_error = np.sqrt(variance / count)
        return cls(first, last, starts.mean(), mean, slope, residuals, mean_error, slope_error)

    def draw(self, starts: Array, rng: np.random.Generator) -> Array:
        """Courses of trials with these values at the start, (trials, epochs), on the scale."""
        mean = self.mean + rng.standard_normal() * self.mean_error
        slope = self.slope + rng.standard_normal() * self.slope_error
        donors = rng.integers(len(self.residuals), size=len(starts))
        course = mean + (starts - self.start)[:, None] * slope + self.residuals[donors]
        return np.asarray(starts[:, None] + course)


def continuations(record: Record, count: int, seed: int) -> Array:
    """`count` draws of the curves of a record: (count, trials, epochs).

    Observed values stay as they are, and a curve that diverged is NaN from there on; no other one diverges.
    At least two trials must be complete.
    """
    known = np.isfinite(record.values)
    scale = Scale.of(record.values[known], record.space.objective.sign)
    observed = np.where(known, scale.to(np.where(known, record.values, 0.5)), np.nan)
    open_ends = np.unique(record.trained[~record.diverged])
    stages = [
        Stage.of(observed[record.trained >= last], first, last)
        for first, last in zip(open_ends[:-1].tolist(), open_ends[1:].tolist(), strict=True)
    ]
    draws = np.repeat(record.values[None], count, axis=0)
    for number, draw in enumerate(draws):
        rng = np.random.default_rng(derive_seed(seed, number))
        curves = observed.copy()
        for stage in stages:
            short = (record.trained <= stage.first) & ~record.diverged
            curves[short, stage.first : stage.last] = stage.draw(curves[short, stage.first - 1], rng)
        draw[~known] = scale.back(curves[~known])
    return draws
