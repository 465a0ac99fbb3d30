"""Cost of a run, savings of early stopping, and how well each rung predicted the final ranks.

Pure functions of rows of the tables of trials and rungs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from results.agreement import Agreement, agreements

WEAK, GOOD = 0.3, 0.6  # rank correlations with the last rung, between which a rung is usable

Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Cost:
    """Cost of a search, and of training each of its trials to the last rung ("full")."""

    trials: int
    epochs: int
    full_epochs: int
    seconds: float
    full_seconds: float
    wall_seconds: float

    @property
    def saved(self) -> float:
        """The share of the full epochs that was not trained."""
        return 1 - self.epochs / self.full_epochs if self.full_epochs else 0.0


def cost(trials: Sequence[Row], epochs: int, rungs: Sequence[Row]) -> Cost:
    """The cost of a run with rows `trials` and `rungs`, whose last rung is at `epochs`.

    Diverged and failed trials would have ended anyway, so only the epochs that they trained count. The
    further epochs of a stopped trial are assumed to take as long as those it trained.
    """
    full_epochs, full_seconds = 0, 0.0
    for row in trials:
        stopped = row["state"] in ("stopped", "paused", "running") and row["epochs"] > 0
        full = epochs if stopped else row["epochs"]
        full_epochs += full
        full_seconds += row["seconds"] * (full / row["epochs"] if row["epochs"] else 1)
    return Cost(
        trials=len(trials),
        epochs=sum(row["epochs"] for row in trials),
        full_epochs=full_epochs,
        seconds=sum(row["seconds"] for row in trials),
        full_seconds=full_seconds,
        wall_seconds=max((row["finished_at"] for row in rungs), default=0.0),
    )


@final
@dataclass(frozen=True)
class Step:
    """The best value so far, at one moment of the search."""

    trial: int
    value: float
    epochs: int  # trained by all trials together
    at: float  # seconds since the start of the first trial


def progress(rungs: Sequence[Row], mode: str) -> list[Step]:
    """The best value so far: one step per improvement, and one for the last finished rung.

    `rungs` are in the order of `finished_at`.
    """
    sign = 1 if mode == "min" else -1
    steps: list[Step] = []
    epochs: dict[int, int] = {}  # by trial
    for row in rungs:
        epochs[row["trial"]] = row["epochs"]
        if not steps or sign * row["value"] < sign * steps[-1].value:
            steps.append(Step(row["trial"], row["value"], sum(epochs.values()), row["finished_at"]))
    if steps:
        steps.append(Step(steps[-1].trial, steps[-1].value, sum(epochs.values()), rungs[-1]["finished_at"]))
    return steps


@final
@dataclass(frozen=True)
class RungSummary:
    """A rung, and how well its ranks agree with those at the last rung."""

    epochs: int
    finished: int
    promoted: int
    best: float
    agreement: Agreement | None  # None at the last rung, and with too few trials
    place_of_final_best: int | None  # rank here, counted from 1, of the best trial at the last rung


def rung_summaries(rungs: Sequence[Row], mode: str) -> list[RungSummary]:
    """A summary of each rung that any trial has finished, the first rung first."""
    sign = 1 if mode == "min" else -1
    values: dict[int, dict[int, float]] = {}  # by epochs and trial; lower is better
    for row in rungs:
        values.setdefault(row["epochs"], {})[row["trial"]] = sign * row["value"]
    milestones = sorted(values)
    if not milestones:
        return []
    last, found = values[milestones[-1]], agreements(values)
    winner = min(last, key=lambda trial: (last[trial], trial))
    summaries = []
    for epochs, following in zip(milestones, [*milestones[1:], None], strict=True):
        here, ranked = values[epochs], sorted(values[epochs].values())
        summaries.append(
            RungSummary(
                epochs=epochs,
                finished=len(ranked),
                promoted=len(values[following]) if following else 0,
                best=sign * ranked[0],
                agreement=found.get(epochs),
                place_of_final_best=1 + sum(value < here[winner] for value in ranked) if following else None,
            )
        )
    return summaries


def advice(rungs: Sequence[RungSummary], eta: int) -> str:
    """Advice on `grace` and `eta` from the agreement of the first rung with the last one."""
    if len(rungs) < 2:
        return "With one rung nothing is stopped early, so there are no ranks to compare."
    first, own = rungs[0], rungs[0].agreement
    if own is None:
        return (
            f"Only {first.promoted} trials were trained beyond epoch {first.epochs}: too few to judge grace "
            "and eta. Run a larger search (trials=...)."
        )
    ranks = (
        f"Ranks at epoch {first.epochs} agree with those at epoch {own.later} at {own.correlation:.2f} "
        f"(90 % interval {own.low:.2f} to {own.high:.2f}; {own.count} trials reached it)"
    )
    if own.low < WEAK and own.high > GOOD:
        return f"{ranks}. The interval is too wide to judge grace and eta. Run a larger search (trials=...)."
    if own.correlation < WEAK:
        return f"{ranks}: the first rung selects almost at random. Try grace={first.epochs * eta}."
    if own.correlation < GOOD:
        return f"{ranks}: usable, though good trials may be lost. A later grace would be safer."
    if own.later < rungs[-1].epochs:
        return (
            f"{ranks}: the first rung predicts them well. Too few trials went further to judge grace and eta."
        )
    return f"{ranks}: the first rung predicts final ranks well; grace={first.epochs} and eta={eta} are sound."
