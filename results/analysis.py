"""What a run cost, what stopping early saved, and how well its rungs foretold the end. Pure calculations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import spearmanr

from results.history import Finish

FEWEST = 5  # trials that a rank correlation needs to be worth a number
SOUND = 10  # and to give advice on

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cost:
    """What a search took, beside what it would have taken to train each of its trials to the last rung."""

    trials: int
    epochs: int
    full_epochs: int
    seconds: float
    full_seconds: float
    wall_seconds: float

    @property
    def saved(self) -> float:
        """The share of the epochs that were not trained."""
        return 1 - self.epochs / self.full_epochs if self.full_epochs else 0.0


def cost(rows: Sequence[Row], epochs: int, finishes: Sequence[Finish]) -> Cost:
    """The cost of a run whose last rung is `epochs`.

    Diverged and failed trials would have ended all the same, so they count as trained. A stopped trial's
    further epochs are taken to last as long as its own.
    """
    full_epochs, full_seconds = 0, 0.0
    for row in rows:
        cut = row["state"] in ("stopped", "paused", "running") and row["epochs"] > 0
        goal = epochs if cut else row["epochs"]
        full_epochs += goal
        full_seconds += row["seconds"] * (goal / row["epochs"] if row["epochs"] else 1)
    return Cost(
        trials=len(rows),
        epochs=sum(row["epochs"] for row in rows),
        full_epochs=full_epochs,
        seconds=sum(row["seconds"] for row in rows),
        full_seconds=full_seconds,
        wall_seconds=max((finish.at for finish in finishes), default=0.0),
    )


@dataclass(frozen=True)
class Step:
    """The best value so far, from this point on."""

    trial: int
    value: float
    epochs: int  # trained by all trials together
    at: float  # seconds since the run began


def progress(finishes: Sequence[Finish], mode: str) -> list[Step]:
    """Best so far: a step for each improvement, and a last one where the run stands now."""
    sign = 1 if mode == "min" else -1
    steps: list[Step] = []
    done: dict[int, int] = {}
    for finish in finishes:
        done[finish.trial] = finish.epochs
        if not steps or sign * finish.value < sign * steps[-1].value:
            steps.append(Step(finish.trial, finish.value, sum(done.values()), finish.at))
    if steps:
        steps.append(Step(steps[-1].trial, steps[-1].value, sum(done.values()), finishes[-1].at))
    return steps


@dataclass(frozen=True)
class Rung:
    """A rung of the ladder, and how well its values foretold those of the next rung and of the last."""

    epochs: int
    finished: int
    promoted: int
    best: float
    next: float | None  # Spearman's rank correlation, over the trials that finished both
    last: float | None
    last_count: int
    last_place: int | None  # where the trial that was best in the end stood here, counted from 1


def ladder(finishes: Sequence[Finish], mode: str) -> list[Rung]:
    """The rungs from the first to the last that any trial has finished."""
    sign = 1 if mode == "min" else -1
    values: dict[int, dict[int, float]] = {}
    for finish in finishes:
        values.setdefault(finish.epochs, {})[finish.trial] = sign * finish.value
    rungs = sorted(values)
    if not rungs:
        return []
    top = values[rungs[-1]]
    winner = min(top, key=lambda trial: (top[trial], trial))
    found = []
    for here, above in zip(rungs, [*rungs[1:], None], strict=True):
        ranked = sorted(values[here].values())
        found.append(
            Rung(
                epochs=here,
                finished=len(ranked),
                promoted=len(values[above]) if above else 0,
                best=sign * ranked[0],
                next=correlation(values[here], values[above]) if above else None,
                last=correlation(values[here], top) if above else None,
                last_count=len(top),
                last_place=1 + sum(value < values[here][winner] for value in ranked) if above else None,
            )
        )
    return found


def correlation(first: Mapping[int, float], second: Mapping[int, float]) -> float | None:
    """Spearman's rank correlation over the trials that are in both; None where there are too few."""
    both = sorted(first.keys() & second.keys())
    a, b = [first[trial] for trial in both], [second[trial] for trial in both]
    if len(both) < FEWEST or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    return float(spearmanr(a, b).statistic)


def advice(rungs: Sequence[Rung], eta: int) -> str:
    """What the correlations say of `grace` and `eta`, in a sentence."""
    if len(rungs) < 2:
        return "With one rung nothing is stopped early, so there is nothing to foretell."
    first = rungs[0]
    seen = first.last if first.last is not None else first.next
    count = first.last_count if first.last is not None else first.promoted
    if seen is None:
        return (
            f"Only {first.promoted} trials went beyond epoch {first.epochs}: too few to judge grace and eta "
            "by. A larger search (trials=...) will tell."
        )
    what = f"Ranks at epoch {first.epochs} agree with later ones at {seen:.2f} over {count} trials"
    caveat = " (only the promoted are compared, which makes it look weaker than it is)"
    if count < SOUND:
        return f"{what}{caveat}: few, so take it as a hint."
    if seen < 0.3:
        return f"{what}{caveat}: the first rung is close to a lottery. Try grace={first.epochs * eta}."
    if seen < 0.6:
        return f"{what}{caveat}: usable, though good trials may be lost. A later grace would be safer."
    return f"{what}: the first rung foretells the end well; grace={first.epochs} and eta={eta} are sound."
