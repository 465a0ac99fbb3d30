"""How well ranks at an early rung agree with those at a late one, corrected for the selection of survivors.

Only promoted trials have later values, and they are alike, so the correlation over them is too small. If
the selection depends on earlier values alone, a regression on the rung before holds for stopped trials too,
and corrects it. ASHA's rule selects so. With `sampler=ladder` the model chooses among the trials that it
allows, so the correction is an approximation. It is Pearson's for a restricted range (Sackett & Yang,
"Correction for Range Restriction: An Expanded Typology", Journal of Applied Psychology 85, 2000), from rung
to rung.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

Array = NDArray[np.float64]
MIN_TRIALS = 10  # that have finished the later rung; with fewer the interval is too narrow
RESAMPLES = 200  # of the bootstrap
INTERVAL = (0.05, 0.95)  # quantiles of these


@final
@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation between two rungs, over all trials that have finished the earlier one, had
    all of them been trained to the later one; with its 90 % interval.
    """

    later: int  # epochs of the later rung
    count: int  # trials that have finished it
    correlation: float
    low: float
    high: float


def agreements(values: Mapping[int, Mapping[int, float]]) -> dict[int, Agreement]:
    """The agreement of each rung with the last one that MIN_TRIALS trials have finished, by its epochs.

    `values` are by the epochs of the rung and by trial. Empty if there is one such rung only, or the values
    of a rung are equal. Correlations are those of the normal scores of all values, which are assumed to be
    normal together (Spearman's is then 6 / pi times the arc sine of half of Pearson's). The bootstrap (Efron,
    1979) draws trials.
    """
    rungs = [epochs for epochs in sorted(values) if len(values[epochs]) >= MIN_TRIALS]
    trials = sorted({trial for epochs in rungs for trial in values[epochs]})
    if len(rungs) < 2:
        return {}
    table = np.array([[values[epochs].get(trial, np.nan) for epochs in rungs] for trial in trials])
    known = ~np.isnan(table)
    scores = table.copy()
    scores[known] = ndtri((rankdata(table[known]) - 0.5) / known.sum())
    found = corrected(scores)
    if found is None:
        return {}
    rng = np.random.default_rng(0)
    resampled = [corrected(scores[rng.integers(len(scores), size=len(scores))]) for _ in range(RESAMPLES)]
    low, high = np.quantile([one for one in resampled if one is not None], INTERVAL, axis=0)
    later, count = rungs[-1], int(known[:, -1].sum())
    return {
        epochs: Agreement(later, count, *map(float, own))
        for epochs, *own in zip(rungs[:-1], found, low, high, strict=True)
    }


def corrected(scores: Array) -> Array | None:
    """Spearman's correlation of each rung but the last with the last, of scores (trials, rungs) that are NaN
    where a trial was not trained. None if a rung has fewer than 3 trials, or equal values."""
    variance = [float(np.nanvar(scores[:, 0], ddof=1))]
    slopes: list[float] = []
    for before, after in zip(scores.T[:-1], scores.T[1:], strict=True):
        both = ~np.isnan(after)
        if both.sum() < 3 or not np.ptp(before[both]):
            return None
        covariance = np.cov(before[both], after[both])
        slope = covariance[0, 1] / covariance[0, 0]
        rest = (covariance[1, 1] - slope * covariance[0, 1]) * (both.sum() - 1) / (both.sum() - 2)
        slopes.append(float(slope))
        variance.append(float(slope**2 * variance[-1] + max(rest, 0.0)))
    if not all(variance):
        return None
    factors = np.array(slopes) * np.sqrt(np.array(variance[:-1]) / np.array(variance[1:]))
    pearson = np.cumprod(factors[::-1])[::-1]  # of each rung with the last: the product of the steps between
    return np.asarray(6 / np.pi * np.arcsin(np.clip(pearson, -1, 1) / 2))
