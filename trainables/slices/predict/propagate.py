"""Propagation: makes planes that were predicted one by one consistent over the sections of one brain.

A block is cut in parallel sections of one thickness, so a series has one cutting direction, and its depths
lie on a line over the section numbers. The steps are those of DeepSlice (Carey et al., Nat Commun 2023); the
formulas are our own. For section i with number t_i and plane (O_i, U_i, V_i):

- The centre is c_i = O_i + U_i / 2 + V_i / 2. The normal is n_i = U_i x V_i / |U_i x V_i|, with the same sign
  in all sections.
- The common normal n is the mean of the n_i, weighted by w_i = exp(-z_i^2 / 2). z_i is the distance from the
  middle of the series in quarters of its length: sections of the middle are large and show the angles best.
- Each plane is rotated about its centre by the smallest rotation that takes n_i to n.
- The depth is d_i = n . c_i. The line a + b t is fitted to the depths, and each plane is moved along n to its
  place on the line. b, in voxels per section number, may be given instead: the section thickness.
- Sections marked as bad take no part in the fits. Each gets the depth of its number; all else is interpolated
  linearly in t between its good neighbours, or copied from the nearest one beyond the ends.

Mean and line are Huber's M-estimates (Huber, Ann Math Stat 1964; k = 1.345 standard deviations, estimated
from the median absolute residual), so that a few outliers do not turn or stretch the whole series.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]
HUBER = 1.345  # 95 % of the efficiency of least squares for normal errors
MAX_ITERATIONS = 50  # of reweighted least squares


@final
@dataclass(frozen=True)
class Propagated:
    """A consistent series."""

    planes: Array  # float64 (N, 9), in voxels
    normal: Array  # float64 (3,), the unit vector of the cutting direction
    thickness_um: float  # from one section number to the next, along the normal; 0 if `regular` was False


def propagate(
    planes: Array,
    numbers: Array,
    voxel_um: float,
    *,
    bad: Array | None = None,
    thickness_um: float | None = None,
    regular: bool = True,
) -> Propagated:
    """Gives the planes (N, 9), in voxels, common angles and depths by section number; see the module's head.

    `numbers` (N,) in any order, `bad` (N,) bool. If `regular` is False, the numbers tell only the order:
    depths are not spaced evenly but made monotonic in the numbers (isotonic regression).
    Raises ValueError if fewer than two sections are good, two sections share a number, or `thickness_um` is
    not positive and finite.
    """
    good = np.ones(len(planes), dtype=bool) if bad is None else ~np.asarray(bad, dtype=bool)
    numbers = np.asarray(numbers, dtype=np.float64)
    if good.sum() < 2:
        raise ValueError(
            f"{good.sum()} sections are good, but propagation needs 2; mark fewer as bad, or propagate=false"
        )
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError("two sections have the same number; number them apart (--numbers FILE)")
    if thickness_um is not None and not 0 < thickness_um < np.inf:
        raise ValueError(f"thickness is {thickness_um}, but must be a positive number of µm (thickness=)")
    good_planes, t = np.asarray(planes, dtype=np.float64)[good], numbers[good]
    normal = common_normal(good_planes, t)
    good_planes = rotated_to(good_planes, normal)
    depths = centres(good_planes) @ normal
    slope = fit_line(t, depths)[1]
    if not regular:
        depths = monotonic(t, depths)
        thickness_um = 0.0
    else:
        if thickness_um is not None:
            slope = np.copysign(thickness_um / voxel_um, slope)
        depths = huber_regression(np.ones((len(t), 1)), depths - slope * t)[0] + slope * t
        thickness_um = float(abs(slope) * voxel_um)
    good_planes = moved_to(good_planes, normal, depths)
    return Propagated(interpolated(good_planes, t, numbers, normal, slope), normal, thickness_um)


def interpolated(planes: Array, t: Array, numbers: Array, normal: Array, slope: float) -> Array:
    """Planes at all `numbers` (N,) from `planes` (M, 9) at `t` (M,): -> (N, 9).

    Beyond the ends of `t`, the nearest plane is moved along `normal` by `slope` voxels per number.
    """
    order = np.argsort(t)
    t, planes = t[order], planes[order]
    result = np.stack([np.interp(numbers, t, column) for column in planes.T], axis=-1)
    beyond = numbers - numbers.clip(t[0], t[-1])
    result[:, :3] += (slope * beyond)[:, None] * normal
    return result


def centres(planes: Array) -> Array:
    """Centres of planes: (..., 9) -> (..., 3)."""
    return planes[..., :3] + planes[..., 3:6] / 2 + planes[..., 6:] / 2


def normals(planes: Array) -> Array:
    """Unit normals (..., 9) -> (..., 3); the sign follows the order of U and V."""
    across = np.cross(planes[..., 3:6], planes[..., 6:])
    return across / np.linalg.norm(across, axis=-1, keepdims=True)


def common_normal(planes: Array, t: Array) -> Array:
    """The cutting direction of planes (N, 9) with numbers `t` (N,): -> (3,)."""
    own = normals(planes)
    z = 4 * (t - (t.min() + t.max()) / 2) / (t.max() - t.min())
    middle = own[np.abs(z).argmin()]
    own = np.where(own @ middle < 0, -1, 1)[:, None] * own
    weights = np.exp(-(z**2) / 2)
    # A robust mean of each component, then scaled to length 1.
    mean = np.array([huber_regression(np.ones((len(t), 1)), column, weights)[0] for column in own.T])
    return mean / np.linalg.norm(mean)


def rotated_to(planes: Array, normal: Array) -> Array:
    """The planes (N, 9) rotated about their centres until each is perpendicular to `normal` (3,)."""
    own = normals(planes)
    own = np.where(own @ normal < 0, -1, 1)[:, None] * own
    # Rodrigues' formula for the rotation that takes one unit vector to another, without computing an angle.
    axis = np.cross(own, normal)
    cos = (own @ normal)[:, None]

    def rotate(vectors: Array) -> Array:
        along = (axis * vectors).sum(axis=-1, keepdims=True) / (1 + cos)
        return cos * vectors + np.cross(axis, vectors) + along * axis

    across, down = rotate(planes[:, 3:6]), rotate(planes[:, 6:])
    return np.concatenate([centres(planes) - across / 2 - down / 2, across, down], axis=-1)


def moved_to(planes: Array, normal: Array, depths: Array) -> Array:
    """The planes (N, 9) moved along `normal` (3,) until their centres have the `depths` (N,)."""
    shifted = planes.copy()
    shifted[:, :3] += (depths - centres(planes) @ normal)[:, None] * normal
    return shifted


def monotonic(t: Array, depths: Array) -> Array:
    """The least-squares fit to `depths` (N,) that rises, or falls, with `t` (N,)."""
    from sklearn.isotonic import IsotonicRegression  # takes a second to import; few calls need it

    increasing = bool(fit_line(t, depths)[1] > 0)
    fitted: Array = IsotonicRegression(increasing=increasing).fit_transform(t, depths)
    return fitted


def fit_line(t: Array, values: Array) -> Array:
    """(a, b) of the line a + b t through `values` (N,) at `t` (N,), fitted robustly."""
    return huber_regression(np.stack([np.ones_like(t), t], axis=-1), values)


def huber_regression(design: Array, values: Array, weights: Array | None = None) -> Array:
    """Huber's M-estimate of x in `design` (N, K) x = `values` (N,), by reweighted least squares: -> (K,)."""
    weights = np.ones(len(values)) if weights is None else weights
    huber_weights = np.ones(len(values))
    for _ in range(MAX_ITERATIONS):
        root = np.sqrt(weights * huber_weights)
        x: Array = np.linalg.lstsq(root[:, None] * design, root * values, rcond=None)[0]
        residuals = np.abs(values - design @ x)
        limit = HUBER * 1.4826 * np.median(residuals)  # 1.4826: from a median to a standard deviation
        if limit < 1e-9:  # more than half of the values are met exactly
            break
        huber_weights = np.minimum(1, limit / np.maximum(residuals, 1e-12))
    return x
