"""A space and random trials of it, for tests of samplers."""

import random
from dataclasses import replace

from search.core.history import Observation
from spaces.params import Choice, Range
from spaces.space import Objective, Space

SPACE = Space(
    name="s",
    about="",
    trainable="a:b",
    data="a:b",
    objective=Objective("val/f", "min"),
    params={
        "x": Range(0.0, 1.0),
        "n": Range(1, 8),
        "lr": Range(1e-5, 1.0, log=True),
        "c": Choice(("a", None, 3)),
    },
)


RANGES = replace(SPACE, params={name: param for name, param in SPACE.params.items() if name != "c"})
RUNGS = (1, 3, 9)


def space_of(sampler: str) -> Space:
    """The space to test a sampler on: CMA-ES searches no choices."""
    return RANGES if sampler == "cmaes" else SPACE


def history(count: int, rungs: int = 1, seed: int = 0, space: Space = SPACE) -> list[Observation]:
    """Random trials of SPACE or RANGES, whose best x is 0.3 at each rung."""
    rng = random.Random(seed)
    return [
        Observation(params, tuple((params["x"] - 0.3) ** 2 for _ in range(rungs)), busy=False)
        for params in (space.sample(rng) for _ in range(count))
    ]
