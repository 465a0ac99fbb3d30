"""Points that a policy chooses new configurations from: some everywhere, some near the best trials."""

import random
from math import log

import numpy as np

from search.core.model.encoding import Array, Encoding
from spaces.params import Choice

SOBOL = 512  # points spread over the whole space
NEIGHBOURS = 25  # points near each centre
FEW = 64  # random points at least, where a space has rules
STEPS = (0.01, 0.3)  # shortest and longest standard deviation of a step from a centre


def sobol(params: int, count: int, seed: int) -> Array:
    """The first `count` points of a Sobol sequence, scrambled by `seed` (Owen, 1998), (count, parameters)."""
    from scipy.stats import qmc  # here, because it takes long and a search begins with its known points

    power = (count - 1).bit_length() if count else 0
    return np.asarray(qmc.Sobol(params, seed=seed).random_base2(power)[:count])


def candidates(encoding: Encoding, centres: Array, count: int, seed: int) -> Array:
    """Points to choose `count` from, (candidates, parameters): a Sobol sequence, and steps from each centre.

    A step changes a random part of the parameters: a range by a normal step, reflected at its ends; a choice
    to a random option. Points that break a rule of the space are left out, and random ones that keep all
    are added.
    """
    params = list(encoding.space.params.values())
    rng = np.random.default_rng(seed)
    steps = np.repeat(centres, NEIGHBOURS, axis=0)
    shortest, longest = STEPS
    size = np.exp(rng.uniform(log(shortest), log(longest), (len(steps), 1)))
    moved = np.abs(steps + size * rng.standard_normal(steps.shape))
    moved = np.clip(np.where(moved > 1, 2 - moved, moved), 0.0, 1.0)
    is_choice = np.array([isinstance(param, Choice) for param in params])
    drawn = np.where(is_choice, rng.random(steps.shape), moved)
    few = min(1.0, 2 / len(params))
    changed = rng.random(steps.shape) < np.where(is_choice, few, max(0.3, few))
    points = np.vstack([sobol(len(params), max(SOBOL, 2 * count), seed), np.where(changed, drawn, steps)])
    return kept(encoding, points, max(FEW, 2 * count), seed) if encoding.space.rules else points


def kept(encoding: Encoding, points: Array, count: int, seed: int) -> Array:
    """The points whose configurations keep the rules of the space, none twice, with `count` random ones."""
    space, rng = encoding.space, random.Random(seed)
    drawn = np.array([encoding.point(space.sample(rng)) for _ in range(count)])
    pairs = [(encoding.configuration(point), point) for point in np.vstack([points, drawn])]
    known = {tuple(params.items()): point for params, point in pairs if space.broken_rule(params) is None}
    return np.array(list(known.values()))
