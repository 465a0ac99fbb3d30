"""Tasks that are functions of the configuration, so that each proposal is answered exactly.

A task has 4 to 8 parameters x, each from 0 to 1, and curves of 52 epochs t, lower is better:

    y(x, t) = a(x) + exp(1 + b(x) / 2) * t ** -exp(-0.7 + 0.4 r(x)) + noise

The level a, the size b and the speed r of the decay are random functions with mean 0 and standard deviation 1
(`RandomFunctions`). The noise of each epoch has the standard deviation 0.02 and depends on the configuration.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, final

import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from benchmarks.tasks import Task
from search.replay.training import Answer, Curve
from spaces.params import Range
from spaces.seeds import derive_seed
from spaces.space import Objective, Space

TASKS = 8
DIMENSIONS = (4, 5, 6, 7, 8)  # of the tasks, in turn
EPOCHS = 52
TRIALS = 10_000  # more than a search can begin in the time it gets
NOISE = 0.02
FEATURES = 500  # per function
LOG_SAMPLE = 12  # logarithm to base 2 of the points on which a task is measured
STANDARDISE = 1_000  # of these points, for mean and standard deviation of a function
STARTS = 20  # of these points, for the local search of the best


@final
class RandomFunctions:
    """Three random smooth functions on the unit cube, standardised on the points of `sample`.

    Each is a sum of random Fourier features (Rahimi and Recht, NeurIPS 2007) of a Matérn-5/2 kernel, whose
    frequencies have Student's t distribution with 5 degrees of freedom. Its length scales, one for each of d
    dimensions, are log-normal: median sqrt(d) / 2, standard deviation 0.6 of the logarithm. So some
    parameters matter little.
    """

    def __init__(self, rng: np.random.Generator, sample: np.ndarray) -> None:
        dimensions = sample.shape[1]
        scales = dimensions**0.5 / 2 * np.exp(0.6 * rng.standard_normal((3, 1, dimensions)))
        normal = rng.standard_normal((3, FEATURES, dimensions))
        student = normal * np.sqrt(5 / rng.chisquare(5, (3, FEATURES, 1)))
        self.frequencies = student / scales  # (functions, features, dimensions)
        self.phases = rng.uniform(0, 2 * np.pi, (3, FEATURES))
        self.weights = rng.standard_normal((3, FEATURES))
        self.shift = np.zeros(3)
        values = self(sample)
        self.weights /= values.std(axis=0)[:, None]
        self.shift = values.mean(axis=0) / values.std(axis=0)

    def angles(self, points: np.ndarray) -> np.ndarray:
        """(points, functions, features)"""
        return np.einsum("pd,kfd->pkf", points, self.frequencies) + self.phases

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The values at points (points, dimensions): (points, functions)."""
        return np.einsum("pkf,kf->pk", np.cos(self.angles(points)), self.weights) - self.shift

    def gradients(self, point: np.ndarray) -> np.ndarray:
        """The gradient of each function at one point, (functions, dimensions)."""
        slopes = -np.sin(self.angles(point[None])[0]) * self.weights
        return np.einsum("kf,kfd->kd", slopes, self.frequencies)


@final
class SmoothTask(Task):
    """The best known configuration is the best of local searches from the best of 4,096 Sobol points."""

    def __init__(self, number: int) -> None:
        self.seed = derive_seed(number)
        rng = np.random.default_rng(self.seed)
        dimensions = DIMENSIONS[number % len(DIMENSIONS)]
        sample = qmc.Sobol(dimensions, rng=rng).random_base2(LOG_SAMPLE)
        self.functions = RandomFunctions(rng, sample[:STANDARDISE])
        space = Space(
            name=f"smooth-{number}",
            about="",
            trainable="search.replay.training:Replay",
            data="search.replay.training:Replay",
            objective=Objective("val/loss", "min"),
            params={f"x{dimension}": Range(0.0, 1.0) for dimension in range(dimensions)},
        )
        final = decay(self.functions(sample), np.array([EPOCHS]))[:, 0]
        starts = sample[np.argsort(final)[:STARTS]]
        super().__init__(
            space.name,
            space,
            epochs=EPOCHS,
            trials=TRIALS,
            seconds=float(EPOCHS),
            best=min(self.local_minimum(start) for start in starts),
            median=float(np.median(final)),
        )

    def answers(self) -> Answer:
        return self.curve

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """The curve of a configuration, an epoch of which takes a second."""
        point = np.array([params[name] for name in self.space.params], dtype=float)
        values = decay(self.functions(point[None]), np.arange(1, EPOCHS + 1))[0]
        noise = np.random.default_rng(derive_seed(self.seed, *point.view(np.uint32).tolist()))
        return Curve(values + NOISE * noise.standard_normal(EPOCHS), np.ones(EPOCHS), float(values[-1]))

    def final_losses(self, points: np.ndarray) -> np.ndarray:
        """The final losses at points of the unit cube, (points, parameters), without noise: (points,)."""
        parts = np.array_split(points, 1 + len(points) // STANDARDISE)
        return np.concatenate([decay(self.functions(part), np.array([EPOCHS]))[:, 0] for part in parts])

    def local_minimum(self, start: np.ndarray) -> float:
        """The lowest final loss that L-BFGS finds from a point."""
        bounds = [(0.0, 1.0)] * len(start)
        return float(minimize(self.final_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds).fun)

    def final_and_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """The final loss at a point without noise, and its gradient."""
        values = self.functions(point[None])
        level, size, speed = self.functions.gradients(point)
        exponent = np.exp(-0.7 + 0.4 * values[0, 2])
        final = float(decay(values, np.array([EPOCHS]))[0, 0])
        return final, level + (final - values[0, 0]) * (size / 2 - np.log(EPOCHS) * exponent * 0.4 * speed)


def decay(values: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """Losses without noise, (points, epochs), for the values of the functions, (points, 3)."""
    level, size, speed = values.T[:, :, None]
    return level + np.exp(1 + size / 2) * epochs ** -np.exp(-0.7 + 0.4 * speed)


@cache
def load_smooth() -> tuple[SmoothTask, ...]:
    """The tasks, made once in a process."""
    with threadpool_limits(1):  # threads slow down L-BFGS's small matrices, tenfold on a busy machine
        return tuple(map(SmoothTask, range(TASKS)))
