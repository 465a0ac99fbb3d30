"""Coverage of intervals for new data: `python -m benchmarks.new_data [REPEATS]`.

Draws confirmations with known effects of seeds and samples, and counts how often each interval contains the
expectation over new seeds and new samples. Prints a table, and another one for few samples by the skewness
that they show; docs/decisions/0028-intervals-for-new-data.md has both. Scores are losses (normal, or
lognormal with a heavy tail) or hits (0 or 1). `share` is the part of the variance of the mean that comes
from the seeds; the rest of it is the effect of samples. The variance of one score is otherwise 1: half of
it the effect of the sample, half of it what is left.
"""

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from results.crossed import crossed, mean_squares
from results.stats import Estimate, estimate

Matrix = npt.NDArray[np.float64]
RESAMPLES = 400
DESIGNS = [(2, 180), (3, 180), (5, 180), (5, 2000), (10, 180), (5, 8), (3, 4)]
SHARES = (0.0, 0.5, 0.9)


def draw(seeds: int, samples: int, share: float, rng: np.random.Generator) -> Matrix:
    """Scores of shape (seeds, samples) before their transformation, with mean 0."""
    of_samples = 0.5 / samples  # variance of the mean that comes from the samples
    of_seeds = seeds * of_samples * share / (1 - share)
    return (
        rng.normal(0, of_seeds**0.5, (seeds, 1))
        + rng.normal(0, 0.5**0.5, (1, samples))
        + rng.normal(0, 0.5**0.5, (seeds, samples))
    )


def scores(kind: str, latent: Matrix) -> Matrix:
    """Scores as they are logged."""
    if kind == "lognormal":
        return np.exp(1.2 * latent)
    return (latent > -1.0).astype(float) if kind == "hits" else latent


def truth(kind: str, seeds: int, samples: int, share: float) -> float:
    """The expectation of a score. Latent scores are normal, so it is known."""
    from scipy.special import ndtr

    variance = 1 + seeds * 0.5 / samples * share / (1 - share)
    if kind == "lognormal":
        return float(np.exp(0.72 * variance))
    return float(ndtr(1 / variance**0.5)) if kind == "hits" else 0.0


def over_seeds(values: Matrix) -> Estimate:
    """The interval over seeds alone."""
    return estimate(values.mean(axis=1).tolist())


def pigeonhole(values: Matrix) -> Estimate:
    """Percentiles of the pigeonhole bootstrap, which draws seeds and samples independently.

    Owen, Annals of Applied Statistics 1 (2007), 386-411.
    """
    rng = np.random.default_rng(0)
    seeds, samples = values.shape
    rows = rng.multinomial(seeds, [1 / seeds] * seeds, RESAMPLES) / seeds
    columns = rng.multinomial(samples, [1 / samples] * samples, RESAMPLES) / samples
    means = ((rows @ values) * columns).sum(axis=1)
    return Estimate(float(values.mean()), seeds, None, *map(float, np.quantile(means, [0.025, 0.975])))


def satterthwaite(values: Matrix) -> Estimate:
    """One Student's t with the degrees of freedom of Satterthwaite, Biometrics Bulletin 2 (1946), 110-114."""
    from scipy.special import stdtrit

    (seeds, samples), squares = values.shape, mean_squares(values)
    total = squares.seeds + max(squares.samples - squares.rest, 0.0)
    parts = squares.seeds**2 / (seeds - 1)
    if squares.samples > squares.rest:
        parts += squares.samples**2 / (samples - 1) + squares.rest**2 / ((seeds - 1) * (samples - 1))
    mean, half = float(values.mean()), float(stdtrit(total**2 / max(parts, 1e-300), 0.975))
    half *= (total / (seeds * samples)) ** 0.5
    return Estimate(mean, seeds, None, mean - half, mean + half)


WAYS: dict[str, Callable[[Matrix], Estimate]] = {
    "seeds alone": over_seeds,
    "pigeonhole": pigeonhole,
    "Satterthwaite": satterthwaite,
    "crossed": crossed,
}


def coverage(kind: str, seeds: int, samples: int, share: float, repeats: int) -> dict[str, float]:
    """The share of draws in which each interval contains the expectation."""
    rng, expected = np.random.default_rng(1), truth(kind, seeds, samples, share)
    hits = dict.fromkeys(WAYS, 0)
    for _ in range(repeats):
        values = scores(kind, draw(seeds, samples, share, rng))
        for name, way in WAYS.items():
            made = way(values)
            assert made.low is not None and made.high is not None
            hits[name] += made.low <= expected <= made.high
    return {name: count / repeats for name, count in hits.items()}


def by_skewness(kind: str, samples: int, repeats: int) -> tuple[float, float, float]:
    """The coverage of `crossed` with 5 seeds, for samples whose skewness is above 1, and for the others.

    The first number is the share of the former draws.
    """
    rng, expected = np.random.default_rng(1), truth(kind, 5, samples, 0.5)
    skewed: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(repeats):
        values = scores(kind, draw(5, samples, 0.5, rng))
        made, parts = crossed(values), values.mean(axis=0) - values.mean()
        assert made.low is not None and made.high is not None
        skewness = abs(np.mean(parts**3)) / max(np.mean(parts**2) ** 1.5, 1e-300)
        skewed[bool(skewness > 1)].append(made.low <= expected <= made.high)
    return len(skewed[True]) / repeats, float(np.mean(skewed[True])), float(np.mean(skewed[False]))


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"| scores | seeds | samples | share | {' | '.join(WAYS)} |")
    print("| --- " * (4 + len(WAYS)) + "|")
    for kind in ("normal", "lognormal", "hits"):
        for seeds, samples in DESIGNS:
            for share in SHARES:
                found = coverage(kind, seeds, samples, share, repeats)
                cells = " | ".join(f"{value:.1%}" for value in found.values())
                print(f"| {kind} | {seeds} | {samples} | {share} | {cells} |", flush=True)
    print("\n| scores | samples | look skewed | their coverage | that of the others |")
    print("| --- " * 5 + "|")
    for kind in ("normal", "lognormal", "hits"):
        for samples in (4, 8, 16, 32):
            cells = " | ".join(f"{value:.0%}" for value in by_skewness(kind, samples, repeats))
            print(f"| {kind} | {samples} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
