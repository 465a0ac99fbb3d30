"""Statistics of a confirmation: the score of each configuration on new seeds, and which one wins.

Pure functions of the table `results/confirm.parquet`. Configurations are compared on the seeds for which all
of them have a row, seed by seed. On one seed they share batches and random draws, so the effect of the seed
cancels in the difference. Intervals are Student's t at 95 %. They cover the variation between seeds on this
test split; those of `new_data.py` cover other test samples too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

import numpy as np
import pyarrow as pa

LEVEL = 0.95  # confidence level of intervals
DRAWS = 40_000  # of the means
ROUNDING = 1e-12  # relative difference up to which values count as equal
DEFAULT = "default"
Scores = Mapping[str, Mapping[int, float]]  # by configuration and seed


@final
@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values, their standard deviation (n - 1) and the interval of the mean.

    With one value only the mean is known.
    """

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def contains_zero(self) -> bool:
        """Whether the interval contains zero. True if there is no interval."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


@final
@dataclass(frozen=True)
class ConfirmedConfig:
    """The result of one configuration. Scores are None if it has none on some seed."""

    config: str
    trial: int | None
    test: Estimate | None
    val: Estimate | None  # at the best epochs
    searched: float | None  # its objective in the search
    gap: float | None  # how much worse the test score is than `searched`; negative if it is better
    probability_best: float | None  # that its mean is the best of all; see `probability_best`
    errors: tuple[str, ...] = ()  # one line per seed that failed
    early: int | None = None  # the epoch of `searched`, if the search did not train the trial to the end
    metrics: Mapping[str, float] = field(default_factory=dict)  # means of further ranking metrics
    violation: float = 0.0  # of the constraints, the mean over the seeds


@final
@dataclass(frozen=True)
class Confirmation:
    """The result of a confirmation. Leads are positive if the winner is better, for both modes."""

    mode: str
    seeds: int  # number of seeds on which all configurations were trained
    configs: tuple[ConfirmedConfig, ...]  # best first; see `confirmation`
    winner: str | None  # None if no configuration can win
    runner_up: str | None
    lead: Estimate | None  # of the winner over the runner-up
    lead_over_default: Estimate | None  # None also if the default wins
    told_apart: bool  # whether the interval of `lead` excludes zero


def confirmation(
    table: pa.Table, mode: str, searched: Mapping[int, float], early: Mapping[int, int] = MappingProxyType({})
) -> Confirmation:
    """Evaluates a table of confirmed configurations.

    `mode` is min or max, `searched` the objective of each trial in the search, and `early` the epoch of that
    value for trials that the search did not train to the end. A configuration that diverged or failed on a
    seed cannot win: the mean of its other seeds would be biased. Nor can one that breaks the constraints on
    average. These come last.
    """
    sign = 1 if mode == "min" else -1
    rows = table.to_pylist()
    seeds = common_seeds(rows)
    rows = [row for row in rows if row["seed"] in seeds]
    tests = {
        config: {row["seed"]: row["test"] for row in rows if row["config"] == config}
        for config in dict.fromkeys(row["config"] for row in rows)
    }
    scored = {config: by_seed for config, by_seed in tests.items() if seeds and None not in by_seed.values()}
    broken = {
        config: float(np.mean([row.get("violation") or 0.0 for row in rows if row["config"] == config]))
        for config in scored
    }
    kept = {config: by_seed for config, by_seed in scored.items() if not broken[config]}
    order = sorted(kept, key=lambda config: sign * estimate(list(kept[config].values())).mean)
    probabilities = probability_best({config: scored[config] for config in order}, sign)
    configs = []
    last = sorted(broken.keys() - kept.keys(), key=lambda config: (broken[config], config))
    for config in [*order, *last, *(config for config in tests if config not in scored)]:
        own = [row for row in rows if row["config"] == config]
        trial = own[0]["trial"]
        value = None if trial is None else searched.get(trial)
        score = estimate([row["test"] for row in own]) if config in scored else None
        configs.append(
            ConfirmedConfig(
                config=config,
                trial=trial,
                test=score,
                val=estimate([row["val"] for row in own]) if config in scored else None,
                searched=value,
                gap=sign * (score.mean - value) if score and value is not None else None,
                probability_best=probabilities.get(config),
                early=None if trial is None else early.get(trial),
                errors=tuple(f"seed {row['seed']}: {row['error']}" for row in own if row["error"]),
                metrics=mean_metrics(own) if config in scored else {},
                violation=broken.get(config, 0.0),
            )
        )
    winner, runner_up = [*order, None, None][:2]
    lead = lead_over(kept, winner, runner_up, sign)
    return Confirmation(
        mode=mode,
        seeds=len(seeds),
        configs=tuple(configs),
        winner=winner,
        runner_up=runner_up,
        lead=lead,
        lead_over_default=lead_over(kept, winner, DEFAULT, sign),
        told_apart=lead is not None and not lead.contains_zero,
    )


def mean_metrics(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The mean of each column `metric/<name>`, by name."""
    columns = [name for name in rows[0] if name.startswith("metric/")]
    return {name.removeprefix("metric/"): float(np.mean([row[name] for row in rows])) for name in columns}


def common_seeds(rows: list[dict[str, Any]]) -> set[int]:
    """The seeds for which every configuration has a row."""
    by_config: dict[str, set[int]] = {}
    for row in rows:
        by_config.setdefault(row["config"], set()).add(row["seed"])
    return set.intersection(*by_config.values()) if by_config else set()


def estimate(values: list[float], level: float = LEVEL) -> Estimate:
    """Mean, standard deviation and interval (Student's t) of one or more values."""
    n = len(values)
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, n)
    from scipy.special import stdtrit  # imported late: it is slow, and only this function needs it

    sd = float(np.std(values, ddof=1))
    if sd < ROUNDING * max(map(abs, values)):
        sd = 0.0
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd / n**0.5
    return Estimate(mean, n, sd, mean - half, mean + half)


def lead_over(scores: Scores, winner: str | None, other: str | None, sign: int) -> Estimate | None:
    """How much better the winner is than another configuration, paired by seed.

    None if either has no scores or both are the same.
    """
    if winner is None or other is None or other == winner or other not in scores:
        return None
    return estimate([sign * (scores[other][seed] - value) for seed, value in scores[winner].items()])


def probability_best(scores: Scores, sign: int) -> dict[str, float]:
    """The probability that the mean of each configuration over all seeds is the best.

    The means have the multivariate t distribution around the measured ones: their posterior with a flat
    prior, with one degree of freedom less than seeds, and the covariance of the configurations over the
    seeds (Geisser and Cornfield, Journal of the Royal Statistical Society B 25 (1963), 368-376). The
    difference of any two then has the Student's t that is the interval of their lead: the winner is told
    apart from another one if it is better with a probability above 97.5 %. So a winner that is not told
    apart has a probability of 97.5 % at most. It is the share of draws with a fixed seed; equal means
    share. Empty with fewer than two seeds.
    """
    seeds = sorted(next(iter(scores.values()), {}))
    if len(seeds) < 2:
        return {}
    values = sign * np.array([[by_seed[seed] for seed in seeds] for by_seed in scores.values()])
    means, rng, free = values.mean(axis=1, keepdims=True), np.random.default_rng(0), len(seeds) - 1
    # For normal z, sum_i (x_i - mean) z_i has the covariance of the sums of squares and products.
    spread = (values - means) @ rng.normal(size=(len(seeds), DRAWS))  # (configurations, draws)
    drawn = means + spread / np.sqrt(len(seeds) * rng.chisquare(free, DRAWS))
    best = np.isclose(drawn, drawn.min(axis=0), rtol=ROUNDING, atol=0.0)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return dict(zip(scores, shares.tolist(), strict=True))
