"""What a confirmation says: how well each configuration does on fresh seeds, and whether the winner is one.

Pure functions of the table `results/confirm.parquet`. Configurations are compared on the seeds that all of
them have a row for, seed by seed: on one seed they have the same batches and draws, so what a seed does to
all of them cancels in the difference. Intervals are Student's t at 95 %. They tell what other seeds would
give with the same test split; how another test split would differ they can't know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

LEVEL = 0.95
RESAMPLES = 10_000
ROUNDING = 1e-12  # of a value: by so little may equal ones differ
DEFAULT = "default"
Scores = Mapping[str, Mapping[int, float]]  # by configuration and seed


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values, their standard deviation (n - 1), and its interval. One value has a mean only."""

    mean: float
    n: int
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def holds_zero(self) -> bool:
        """Whether the mean may as well be zero: so it is without an interval."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


@dataclass(frozen=True)
class Confirmed:
    """A configuration. What can't be said, because it has no score on some seed, is None."""

    config: str
    trial: int | None
    test: Estimate | None
    val: Estimate | None  # at the best epochs
    searched: float | None  # what the search said of it
    gap: float | None  # by how much the test is worse than that; negative if it is better
    probability_best: float | None  # that no other configuration of these has a better mean
    errors: tuple[str, ...] = ()  # what went wrong, a line a seed
    early: int | None = None  # the epoch of `searched`, where the search did not train it to the end


@dataclass(frozen=True)
class Confirmation:
    """All that is said. Leads are positive where the winner is better, whichever way the metric counts."""

    mode: str
    seeds: int  # that all configurations have been trained on
    configs: tuple[Confirmed, ...]  # the best first, those without a score on some seed last
    winner: str | None  # None if none has a score on all seeds
    runner_up: str | None
    lead: Estimate | None  # of the winner over the runner-up
    lead_over_default: Estimate | None  # None too if the default wins
    told_apart: bool  # whether the interval of the lead over the runner-up leaves out zero


def confirmation(
    table: pa.Table, mode: str, searched: Mapping[int, float], early: Mapping[int, int] = MappingProxyType({})
) -> Confirmation:
    """What a table of confirmed configurations says; `searched` are the search's own values by trial, and
    `early` the epochs of those that it did not train to the end.

    `mode` is min or max. A configuration that diverged or failed on a seed can't win: the mean of its other
    seeds would flatter it.
    """
    sign = 1 if mode == "min" else -1
    rows = table.to_pylist()
    seeds = common_seeds(rows)
    rows = [row for row in rows if row["seed"] in seeds]
    test = {
        config: {row["seed"]: row["test"] for row in rows if row["config"] == config}
        for config in dict.fromkeys(row["config"] for row in rows)
    }
    whole = {config: by for config, by in test.items() if seeds and None not in by.values()}
    order = sorted(whole, key=lambda config: sign * estimate(list(whole[config].values())).mean)
    chances = probability_best({config: whole[config] for config in order}, sign)
    configs = []
    for config in [*order, *(config for config in test if config not in whole)]:
        own = [row for row in rows if row["config"] == config]
        trial = own[0]["trial"]
        said = None if trial is None else searched.get(trial)
        score = estimate([row["test"] for row in own]) if config in whole else None
        configs.append(
            Confirmed(
                config=config,
                trial=trial,
                test=score,
                val=estimate([row["val"] for row in own]) if config in whole else None,
                searched=said,
                gap=sign * (score.mean - said) if score and said is not None else None,
                probability_best=chances.get(config),
                early=None if trial is None else early.get(trial),
                errors=tuple(f"seed {row['seed']}: {row['error']}" for row in own if row["error"]),
            )
        )
    winner, runner_up = [*order, None, None][:2]
    lead = lead_over(whole, winner, runner_up, sign)
    return Confirmation(
        mode=mode,
        seeds=len(seeds),
        configs=tuple(configs),
        winner=winner,
        runner_up=runner_up,
        lead=lead,
        lead_over_default=lead_over(whole, winner, DEFAULT, sign),
        told_apart=lead is not None and not lead.holds_zero,
    )


def common_seeds(rows: list[dict[str, object]]) -> set[object]:
    """The seeds that every configuration has a row for."""
    by_config: dict[object, set[object]] = {}
    for row in rows:
        by_config.setdefault(row["config"], set()).add(row["seed"])
    return set.intersection(*by_config.values()) if by_config else set()


def estimate(values: list[float]) -> Estimate:
    """Mean, standard deviation and 95 % interval by Student's t of at least one value."""
    n = len(values)
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, n)
    from scipy.special import stdtrit  # here, for it takes time that only this needs

    sd = float(np.std(values, ddof=1))
    if sd < ROUNDING * max(map(abs, values)):
        sd = 0.0
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * sd / n**0.5
    return Estimate(mean, n, sd, mean - half, mean + half)


def lead_over(scores: Scores, winner: str | None, other: str | None, sign: int) -> Estimate | None:
    """By how much the winner is better than another on the same seeds; None where there are not two."""
    if winner is None or other is None or other == winner or other not in scores:
        return None
    return estimate([sign * (scores[other][seed] - value) for seed, value in scores[winner].items()])


def probability_best(scores: Scores, sign: int) -> dict[str, float]:
    """How often each configuration has the best mean when the seeds are drawn anew with replacement.

    The bootstrap (Efron, 1979) of all configurations' means at once, seeds paired; equal means share. The
    draws are the same each time. Empty with one seed, which can't be drawn in different ways.
    """
    seeds = sorted(next(iter(scores.values()), {}))
    if len(seeds) < 2:
        return {}
    values = sign * np.array([[by[seed] for seed in seeds] for by in scores.values()])
    draws = np.random.default_rng(0).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    means = values[:, draws].mean(axis=2)  # (configurations, resamples)
    best = np.isclose(means, means.min(axis=0), rtol=1e-12, atol=0.0)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return dict(zip(scores, shares.tolist(), strict=True))
