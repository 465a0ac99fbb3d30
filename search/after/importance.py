"""The importance of the parameters of a run, from the model of all rungs."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from results.parameters import Importance, Share
from results.store import Run
from search.after.sensitivity import hyperparameter_draws, is_searched, skill, total_effects
from search.config.run_config import RunConfig
from search.core.history import History, Observation
from search.core.model.encoding import Encoding
from search.core.model.gaussian_process import fit
from search.core.model.results import MIN_FIRST, rows, thin
from search.core.model.surrogate import ITERATIONS
from search.core.model.threads import one_thread
from spaces.space import Space

VECTORS = 16  # of hyperparameters, whose spread is part of the interval
INTERVAL = (0.05, 0.5, 0.95)  # quantiles: the ends of the 90 % interval, and the median
MIN_SKILL = 0.25  # with less, a ranking would be one of noise: shuffled trials reach 0.21 (0021)

Row = Mapping[str, Any]


def importance(run: Run, config: RunConfig) -> Importance | None:
    """The importance of each searched parameter for the first objective at the last rung.

    None as of `estimate`.
    """
    trials = history(run.trials.to_pylist(), run.rungs.to_pylist(), config.space)
    return estimate(trials, config.space, config.rungs, config.seed)


@one_thread
def estimate(
    trials: Sequence[Observation], space: Space, rungs: Sequence[int], seed: int
) -> Importance | None:
    """As `importance`, by a model of these trials. None with too few values for it, or if all are equal."""
    trials = History.of(trials)
    chosen, valued = thin(trials, seed), len(trials.ranked[0])
    if valued < MIN_FIRST or len({trials.value(result) for result in chosen}) < 2:
        return None
    encoding = Encoding(space)
    own = rows(encoding, trials, chosen, rungs)
    parts = [one.trial for one in chosen], [one.rung for one in chosen]
    found = skill(encoding.groups, own, *parts, seed)
    if found < MIN_SKILL:
        return Importance(rungs[-1], valued, found, ())
    theta = fit(encoding.groups, own, ITERATIONS)
    thetas = hyperparameter_draws(theta, encoding.groups, own, VECTORS, seed)
    effects = total_effects(encoding, thetas, own, seed)
    low, median, high = np.quantile(effects, INTERVAL, axis=0).tolist()
    names = [name for name, param in space.params.items() if is_searched(param)]
    places = [list(space.params).index(name) for name in names]
    shares = [Share(name, median[at], low[at], high[at]) for name, at in zip(names, places, strict=True)]
    return Importance(rungs[-1], valued, found, tuple(sorted(shares, key=lambda one: -one.total)))


def history(trials: Sequence[Row], rungs: Sequence[Row], space: Space) -> list[Observation]:
    """The trials of these tables but the failed ones, with their values of the first objective."""
    values: dict[int, list[float]] = {}
    for row in sorted(rungs, key=lambda row: row["rung"]):
        values.setdefault(row["trial"], []).append(space.objective.sign * row["value"])
    return [
        Observation(
            space.params_in(row),
            (*values.get(row["trial"], ()), *((inf,) if row["state"] == "diverged" else ())),
        )
        for row in trials
        if row["state"] != "failed"
    ]
