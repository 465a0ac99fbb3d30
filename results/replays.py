"""The replays of a run (`python -m search replay`): one row per combination of settings.

`results/replay.json` has the fields of `Replays`, and is written anew by each replay.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from results.files import write_text
from results.stats import estimate

FILE = "results/replay.json"
FEW = 5  # curves to the end; with fewer the model of the search has seen too little of the last rung


@final
@dataclass(frozen=True)
class Replayed:
    """One combination of settings, over replays on several continuations of the run's curves."""

    eta: int
    grace: int
    sampler: str
    rungs: tuple[int, ...]  # in epochs
    found: float  # share of the replays whose best trial ends at least as well as the winner of the run
    regrets: tuple[
        float, ...
    ]  # of each replay: 0 is the best final value of all trials, 1 the median or worse
    epochs_share: float  # epochs trained, of those of training all trials in full
    seconds_share: float  # the same for the time of training
    share_to_find: float | None  # time until the best trial was as good as the winner, the median
    next_seconds: float  # training time of the next search

    @property
    def name(self) -> str:
        """`ladder eta=3 grace=1`, for the screen."""
        return f"{self.sampler} eta={self.eta} grace={self.grace}"

    @property
    def regret(self) -> float:
        """The mean regret."""
        return estimate(list(self.regrets)).mean

    @property
    def regret_half(self) -> float:
        """Half the 95 % interval of the mean regret."""
        whole = estimate(list(self.regrets))
        return 0.0 if whole.high is None else whole.high - whole.mean


@final
@dataclass(frozen=True)
class Replays:
    """The replays of one run. The continuations of its curves are the same for all settings."""

    rows: tuple[Replayed, ...]
    winner: int  # the trial to be found
    trials: int  # with a curve
    complete: int  # of these, trained to the end or diverged; the model continues the others
    next_trials: int  # of the search that `next_seconds` is the cost of

    def equal(self) -> list[Replayed]:
        """The settings that can't be told apart from the one with the lowest mean regret, the cheapest first.

        Regrets are compared replay by replay (Student's t at 95 %).
        """
        lowest = min(self.rows, key=lambda row: (row.regret, row.seconds_share))
        alike = [
            row
            for row in self.rows
            if row is lowest
            or estimate([a - b for a, b in zip(row.regrets, lowest.regrets, strict=True)]).contains_zero
        ]
        return sorted(alike, key=lambda row: row.seconds_share)

    def conclusions(self) -> list[str]:
        """What the replays say and what they don't, a sentence each."""
        equal = self.equal()
        several = f"{len(equal)} of {len(self.rows)} settings can't be told apart by their regret"
        verdict = f"{several}; the cheapest is"
        if len(equal) == 1:
            verdict = "The best setting is" if len(self.rows) > 1 else "The only setting is"
        cost = f"{equal[0].seconds_share:.0%} of the time of training all trials in full"
        sentences = [f"{verdict} {equal[0].name}, at {cost}."]
        continued = self.trials - self.complete
        if continued:
            sentences.append(
                f"{self.complete} of {self.trials} curves are known to the end; the model of the search "
                f"continues the other {continued}, differently in each replay."
            )
        if self.complete < FEW:
            sentences.append(
                "The record is too thin: with so few complete curves the model knows little of the last "
                "rung, and these figures say more about the model than about the settings."
            )
        sentences.append(f"A replay can find what the run has tried ({self.trials} configurations), no more.")
        return sentences


def write_replays(run: Path, replays: Replays) -> None:
    """Writes the file of a run."""
    write_text(run / FILE, json.dumps(asdict(replays)))


def read_replays(run: Path) -> Replays | None:
    """The replays of a run; None if there are none."""
    if not (run / FILE).exists():
        return None
    plain: dict[str, Any] = json.loads((run / FILE).read_text())
    return Replays(**{**plain, "rows": tuple(map(row_of, plain["rows"]))})


def row_of(plain: Mapping[str, Any]) -> Replayed:
    """A row from the content of the file."""
    return Replayed(**{**plain, "rungs": tuple(plain["rungs"]), "regrets": tuple(plain["regrets"])})
