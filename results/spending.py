"""How the training of a search was spent: on each rung, on the winner, and on lost trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from results import text

LOST = ("diverged", "failed")
Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Part:
    """A part of the training."""

    trials: int
    epochs: int
    seconds: float  # of device time


@final
@dataclass(frozen=True)
class Spending:
    """The training of a search in parts. Those of the rungs add up to `total`."""

    total: Part
    rungs: Mapping[int, Part]  # training from the rung before to this one, by the epochs of the rung
    winner: Part
    lost: Part  # of diverged and failed trials

    def share(self, part: Part) -> float:
        """The share of the device time; of the epochs if no time is known."""
        if self.total.seconds:
            return part.seconds / self.total.seconds
        return part.epochs / self.total.epochs if self.total.epochs else 0.0


def spending(
    trials: Sequence[Row], rungs: Sequence[Row], config: Mapping[str, Any], winner: int | None
) -> Spending:
    """The spending of a run with rows `trials` and `rungs`, its config, and the number of its winner, if that
    is a trial.

    A trial that ended between two rungs has its last epochs in the later one. Without rows of `rungs`, as in
    a run of an earlier version, no part of a rung is known.
    """
    devices = config.get("devices_per_trial", 1)
    trials, rungs = (
        [{**row, "seconds": devices * row["seconds"]} for row in rows] for rows in (trials, rungs)
    )
    parts: dict[int, list[tuple[int, int, float]]] = {}  # trial, epochs, seconds, by the index of the rung
    reached: dict[int, tuple[int, int, float]] = {}  # next rung, epochs and seconds so far, by trial
    for row in sorted(rungs, key=lambda row: int(row["rung"])):
        _, epochs, seconds = reached.get(row["trial"], (0, 0, 0.0))
        own = (row["trial"], row["epochs"] - epochs, row["seconds"] - seconds)
        parts.setdefault(row["rung"], []).append(own)
        reached[row["trial"]] = (row["rung"] + 1, row["epochs"], row["seconds"])
    for row in trials:
        rung, epochs, seconds = reached.get(row["trial"], (0, 0, 0.0))
        if row["epochs"] > epochs or row["seconds"] > seconds:
            own = (row["trial"], row["epochs"] - epochs, row["seconds"] - seconds)
            parts.setdefault(rung, []).append(own)
    at = {row["rung"]: row["epochs"] for row in rungs}
    for rung in sorted(parts.keys() - at.keys()):  # that no trial has finished
        at[rung] = min(at[rung - 1] * config["eta"] if rung else config["grace"], config["epochs"])
    return Spending(
        total=part(trials),
        rungs={
            at[rung]: Part(
                len(parts[rung]),
                sum(epochs for _, epochs, _ in parts[rung]),
                sum(seconds for _, _, seconds in parts[rung]),
            )
            for rung in (sorted(parts) if rungs else ())
        },
        winner=part([row for row in trials if row["trial"] == winner]),
        lost=part([row for row in trials if row["state"] in LOST]),
    )


def part(trials: Sequence[Row]) -> Part:
    """The training of these trials."""
    return Part(len(trials), sum(row["epochs"] for row in trials), sum(row["seconds"] for row in trials))


def on_rungs(spent: Spending) -> str:
    """The share of each rung, in one line."""
    parts = [
        f"{spent.share(own):.0%} to epoch {epochs} ({text.counted(own.trials, 'trial')})"
        for epochs, own in spent.rungs.items()
    ]
    time = text.rounded_duration(spent.total.seconds)
    total = f"{text.counted(spent.total.epochs, 'epoch')}, {time} of device time"
    return f"{total}: {', '.join(parts)}" if parts else total


def on_trials(spent: Spending) -> str:
    """What the winner and the lost trials took, in one line; empty if there are none."""
    parts = []
    if spent.winner.trials:
        share = f"{spent.share(spent.winner):.0%} of the time"
        parts.append(f"{text.counted(spent.winner.epochs, 'epoch')} ({share}) went into the winner")
    if spent.lost.trials:
        share = f"{spent.share(spent.lost):.0%} of the time"
        lost = text.counted(spent.lost.trials, "diverged or failed trial")
        parts.append(f"{text.counted(spent.lost.epochs, 'epoch')} ({share}) went into {lost}")
    return "; ".join(parts)
