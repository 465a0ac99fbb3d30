"""The replay of a run (`python -m search replay`): its table, and the conclusions that the table allows.

`results/replay.parquet` has one row per setting, and the facts of `Basis` in its metadata.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import pyarrow as pa

from results.damage import DamagedFile
from results.parquet import read_parquet, write_table

REPLAY_FILE = "results/replay.parquet"
REPLAY_FIELDS = [
    ("eta", pa.int64()),
    ("grace", pa.int64()),
    ("sampler", pa.string()),
    ("rungs", pa.list_(pa.int64())),  # in epochs
    ("found", pa.float64()),  # share of the searches that end with the winner, or with one as good
    ("regret", pa.float64()),  # mean, of the configuration that a search ends with
    ("regret_low", pa.float64()),  # its 95 % interval
    ("regret_high", pa.float64()),
    ("value", pa.float64()),  # mean, of the objective of that configuration at the last rung
    ("epochs_share", pa.float64()),  # of the epochs of training the same trials in full
    ("seconds_share", pa.float64()),  # of the seconds of training them in full
    ("seconds", pa.float64()),  # of training, for `Basis.next_trials` trials
    ("behind", pa.float64()),  # mean difference in regret from the row with the least, paired by search
    ("behind_low", pa.float64()),  # its interval, for all rows together at 95 %; null in that row
]
MIN_COMPLETE = 5  # curves that reach the last rung
KEY = b"basis"  # of the metadata


@final
@dataclass(frozen=True)
class Basis:
    """The record that was replayed, and the size of the replay."""

    winner: int  # number of the best trial
    curves: int  # trials with a value, and diverged ones
    complete: int  # of these, trained to the last rung
    continued: int  # of these, stopped early: their curves are continued
    diverged: int  # of these
    epochs: int  # of the last rung
    trials: int  # begun by each search
    searches: int  # per setting
    workers: int
    next_trials: int  # for which the time is estimated


@final
@dataclass(frozen=True)
class Row:
    """One setting. The fields are those of REPLAY_FIELDS."""

    eta: int
    grace: int
    sampler: str
    rungs: Sequence[int]
    found: float
    regret: float
    regret_low: float
    regret_high: float
    value: float
    epochs_share: float
    seconds_share: float
    seconds: float
    behind: float
    behind_low: float | None

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"eta={self.eta} grace={self.grace} sampler={self.sampler}"

    @property
    def regret_text(self) -> str:
        """The mean and half its interval: `0.12 ± 0.05`."""
        return f"{self.regret:.2f} ± {max(self.regret_high - self.regret, self.regret - self.regret_low):.2f}"

    @property
    def is_as_good(self) -> bool:
        """Whether it can't be told apart from the row with the least regret."""
        return self.behind_low is None or self.behind_low <= 0


@final
@dataclass(frozen=True)
class Replay:
    """The result of a replay."""

    basis: Basis
    rows: tuple[Row, ...]

    @property
    def is_thin(self) -> bool:
        """Whether so few curves are complete that no setting can be called better."""
        return self.basis.complete < MIN_COMPLETE

    @property
    def best(self) -> Row | None:
        """The row with the least regret, if it can be told apart from each other one; None if not."""
        equal = [row for row in self.rows if row.is_as_good]
        return equal[0] if len(self.rows) > 1 and len(equal) == 1 and not self.is_thin else None

    @property
    def cheapest(self) -> Row:
        """Of the rows that can't be told apart from the least regret, the one that trains least."""
        return min((row for row in self.rows if row.is_as_good), key=lambda row: row.seconds_share)


def write(run: Path, replay: Replay) -> None:
    """Writes `results/replay.parquet`."""
    schema = pa.schema(REPLAY_FIELDS, metadata={KEY: json.dumps(asdict(replay.basis)).encode()})
    write_table(pa.Table.from_pylist([asdict(row) for row in replay.rows], schema), run / REPLAY_FILE)


def read(run: Path) -> Replay | None:
    """The last replay of a run; None if there is none. Raises ValueError if its file can't be read."""
    path = run / REPLAY_FILE
    try:
        table = read_parquet(path, REPLAY_FIELDS, ("behind_low",))
        if table is None:
            return None
        basis = Basis(**json.loads((table.schema.metadata or {})[KEY]))
        return Replay(basis, tuple(Row(**row) for row in table.to_pylist()))
    except (ValueError, LookupError, TypeError) as error:
        advice = f"make it again: python -m search replay {run.name}"
        raise DamagedFile(path, error, advice) from error


def texts(replay: Replay) -> list[str]:
    """All that is said beside the table: the conclusion first."""
    return [verdict(replay), about(replay.basis), *notes(replay.basis)]


def about(basis: Basis) -> str:
    """The record, and its continuation."""
    return (
        f"Of {basis.curves} curves, {basis.complete} are complete (epoch {basis.epochs}), {basis.diverged} "
        f"diverged, and {basis.continued} were stopped early. These were continued by the courses of "
        f"promoted trials, {basis.searches} times at random. Each setting searched {basis.trials} trials on "
        f"each of these {basis.searches} records."
    )


def verdict(replay: Replay) -> str:
    """The conclusion."""
    basis, equal = replay.basis, [row for row in replay.rows if row.is_as_good]
    if replay.is_thin:
        return (
            f"The record is too thin for a judgement: {basis.complete} of {basis.curves} curves reach the "
            f"last rung, and {MIN_COMPLETE} must."
        )
    if len(replay.rows) == 1:
        return "One setting alone was replayed; lists compare several (eta=2,3,4)."
    if best := replay.best:
        return f"{best.name} has the least regret, beyond the interval of each other setting."
    count = "settings" if len(equal) == len(replay.rows) else f"best {len(equal)} settings"
    return (
        f"The {count} can't be told apart by regret. Of these, {replay.cheapest.name} trains least: "
        f"{replay.cheapest.seconds_share:.0%} of the time of training every trial in full."
    )


def notes(basis: Basis) -> list[str]:
    """The meaning of the columns, and the limits of a replay."""
    return [
        f"found: ends with trial {basis.winner}, the winner of the run, or with one of the best 5 %",
        "regret: of the configuration found; 0: the best one, 1: the median one; ±: 95 % interval over the "
        "continuations. Their own bias comes on top, so trust the order more than the level",
        "epochs, time: trained, as shares of training the same trials in full",
        f"{basis.next_trials} trials: training time here, at the pace of this run"
        + (f"; {basis.workers} jobs at a time share it" if basis.workers > 1 else ""),
        "A search proposes only configurations of this run, so samplers differ in their order alone.",
    ]
