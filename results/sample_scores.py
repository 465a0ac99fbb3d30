"""The scores of one trained model on the parts of the test split, and how they make up its score."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

MEAN, ROOT = "mean", "root"  # ways to combine: the mean; the square root of the mean of the squares
TOLERANCE = 1e-4  # relative; sums in float32 differ by less


@final
@dataclass(frozen=True, eq=False)
class SampleScores:
    """The objective on each part of the test split, in the order of its loader.

    `unit` is `sample` or `batch`, `sizes` the number of samples in each unit, shape (units,), and `scores`
    the objective on it, float32 of the same shape. `combined` is `mean` or `root`: how the scores, weighted
    by the sizes, make up the score on the whole split.
    """

    unit: str
    sizes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    combined: str

    def linearized(self) -> npt.NDArray[np.float64]:
        """Values whose plain mean is the score on the split, float64 of shape (units,).

        Weights and root are linearized at the score (delta method): to first order in 1 / units, the mean of
        these varies over new units as the score does.
        """
        weights, values = self.sizes / self.sizes.mean(), self.scores.astype(np.float64)
        if self.combined == MEAN:
            score = float(np.mean(weights * values))
            return score + weights * (values - score)
        score = float(np.mean(weights * values**2)) ** 0.5
        return score + weights * (values**2 - score**2) / (2 * score)


def sample_scores(
    unit: str, sizes: npt.NDArray[np.int64], values: npt.NDArray[np.float64], score: float
) -> SampleScores | None:
    """The scores of the units, if there are two or more and the score is their mean or root mean square.

    None otherwise, as for an area under a curve. `values` is the objective on each unit, shape (units,).
    """
    if len(values) < 2 or not np.isfinite(values).all() or not sizes.sum():
        return None
    mean = float(np.average(values, weights=sizes))
    root = float(np.average(values**2, weights=sizes)) ** 0.5
    near = TOLERANCE * float(np.abs(values).max())
    for combined, found in ((MEAN, mean), (ROOT, root)):
        if abs(found - score) <= near and (combined == MEAN or root > 0):
            return SampleScores(unit, sizes, values.astype(np.float32), combined)
    return None
