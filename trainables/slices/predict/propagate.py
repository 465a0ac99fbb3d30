"""What the sections of one brain have in common, laid over planes that were predicted one by one.

A block is cut in parallel sections of one thickness, so a series has one cutting direction, and its depths
lie on a line over the section numbers. The steps are those of DeepSlice (Carey et al., Nat Commun 2023),
the formulas our own. For the section i of number t_i and plane (O_i, U_i, V_i):

- centre c_i = O_i + U_i / 2 + V_i / 2, normal n_i = U_i x V_i / |U_i x V_i|, of one sign in all sections;
- common normal n: the mean of the n_i, weighted by w_i = exp(-z_i^2 / 2), where z_i counts quarters of the
  series' length from its middle, for sections of the middle are large and show the angles best;
- each plane is turned about its centre by the smallest rotation that takes n_i to n;
- depth d_i = n . c_i; the line a + b t is fitted to the depths, and each plane is moved along n to its place
  on it. b, in voxels a section number, may be given instead: the section's thickness;
- a section marked bad has no part in the fits. It gets the depth of its number, and all else by linear
  interpolation in t between its good neighbours; beyond the ends, from the nearest one.

Mean and line are Huber's M-estimates (k = 1.345 deviations, the deviation from the residuals' median size),
so that a few wild predictions do not turn or stretch the whole series.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
HUBER = 1.345  # 95 % of the efficiency of least squares where errors are normal
STEPS = 50


@dataclass(frozen=True)
class Propagated:
    """A series made consistent."""

    planes: Array  # float64 (N, 9), in voxels
    normal: Array  # float64 (3,), a unit vector: the direction of cutting
    thickness_um: float  # from one section number to the next, along the normal; 0 if only ordered


def propagate(
    planes: Array,
    numbers: Array,
    voxel_um: float,
    *,
    bad: Array | None = None,
    thickness_um: float | None = None,
    regular: bool = True,
) -> Propagated:
    """Common angles, and depths by section number: see the module's head.

    Planes (N, 9) in voxels, `numbers` (N,) in any order, `bad` (N,) bool. Without `regular` the numbers tell
    only the order: depths are not spaced evenly but made to rise or fall with the numbers (isotonic
    regression). Raises ValueError if fewer than two sections are good, two sections share a number, or
    `thickness_um` is not positive.
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
    known, t = np.asarray(planes, dtype=np.float64)[good], numbers[good]
    normal = common_normal(known, t)
    known = turned(known, normal)
    depths = centres(known) @ normal
    slope = line(t, depths)[1]
    if not regular:
        depths = ordered(t, depths)
        thickness_um = 0.0
    else:
        if thickness_um is not None:
            slope = np.copysign(thickness_um / voxel_um, slope)
        depths = robust(np.ones((len(t), 1)), depths - slope * t)[0] + slope * t
        thickness_um = float(abs(slope) * voxel_um)
    known = moved(known, normal, depths)
    return Propagated(inferred(known, t, numbers, normal, slope), normal, thickness_um)


def inferred(known: Array, t: Array, numbers: Array, normal: Array, slope: float) -> Array:
    """Planes at all `numbers`: the `known` ones (M, 9) at `t` (M,), and what lies between and beyond them."""
    order = np.argsort(t)
    t, known = t[order], known[order]
    planes = np.stack([np.interp(numbers, t, column) for column in known.T], axis=-1)
    beyond = numbers - numbers.clip(t[0], t[-1])
    planes[:, :3] += (slope * beyond)[:, None] * normal
    return planes


def centres(planes: Array) -> Array:
    """(..., 9) -> (..., 3)."""
    return planes[..., :3] + planes[..., 3:6] / 2 + planes[..., 6:] / 2


def normals(planes: Array) -> Array:
    """Unit normals (..., 9) -> (..., 3); the sign follows the order of U and V."""
    across = np.cross(planes[..., 3:6], planes[..., 6:])
    return across / np.linalg.norm(across, axis=-1, keepdims=True)


def common_normal(planes: Array, t: Array) -> Array:
    """The direction of cutting of planes (N, 9) numbered `t` (N,): -> (3,)."""
    found = normals(planes)
    z = 4 * (t - (t.min() + t.max()) / 2) / (t.max() - t.min())
    middle = found[np.abs(z).argmin()]
    found = np.where(found @ middle < 0, -1, 1)[:, None] * found
    weights = np.exp(-(z**2) / 2)
    # The mean of each component by itself, and its length made 1 again.
    mean = np.array([robust(np.ones((len(t), 1)), column, weights)[0] for column in found.T])
    return mean / np.linalg.norm(mean)


def turned(planes: Array, normal: Array) -> Array:
    """The planes (N, 9) turned about their centres until each lies at right angles to `normal` (3,)."""
    own = normals(planes)
    own = np.where(own @ normal < 0, -1, 1)[:, None] * own
    # Rodrigues' formula for the rotation that takes one unit vector to another, with no angle computed.
    axis = np.cross(own, normal)
    cos = (own @ normal)[:, None]

    def turn(vectors: Array) -> Array:
        along = (axis * vectors).sum(axis=-1, keepdims=True) / (1 + cos)
        return cos * vectors + np.cross(axis, vectors) + along * axis

    across, down = turn(planes[:, 3:6]), turn(planes[:, 6:])
    return np.concatenate([centres(planes) - across / 2 - down / 2, across, down], axis=-1)


def moved(planes: Array, normal: Array, depths: Array) -> Array:
    """The planes (N, 9) moved along `normal` until their centres have `depths` (N,)."""
    shifted = planes.copy()
    shifted[:, :3] += (depths - centres(planes) @ normal)[:, None] * normal
    return shifted


def ordered(t: Array, depths: Array) -> Array:
    """The depths nearest to `depths` in squares that rise, or fall, with `t`."""
    from sklearn.isotonic import IsotonicRegression  # takes a second to import, and few need it

    fitted: Array = IsotonicRegression(increasing=bool(line(t, depths)[1] > 0)).fit_transform(t, depths)
    return fitted


def line(t: Array, values: Array) -> Array:
    """(a, b) of the line a + b t through `values` (N,) at `t` (N,)."""
    return robust(np.stack([np.ones_like(t), t], axis=-1), values)


def robust(design: Array, values: Array, weights: Array | None = None) -> Array:
    """Huber's M-estimate of x in `design` (N, K) x = `values` (N,), by reweighted least squares: -> (K,)."""
    weights = np.ones(len(values)) if weights is None else weights
    doubt = np.ones(len(values))
    for _ in range(STEPS):
        root = np.sqrt(weights * doubt)
        x: Array = np.linalg.lstsq(root[:, None] * design, root * values, rcond=None)[0]
        sizes = np.abs(values - design @ x)
        limit = HUBER * 1.4826 * np.median(sizes)
        if limit < 1e-9:  # more than half lie on it exactly
            break
        doubt = np.minimum(1, limit / np.maximum(sizes, 1e-12))
    return x
