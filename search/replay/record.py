"""The record of a run: the learning curves that a replay starts from."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from results.store import Run
from search.config.run_config import RunConfig
from spaces.seeds import derive_seed
from spaces.space import Space

MIN_TRIALS = 20  # with a value
MIN_COMPLETE = 2  # trained to the last rung: without them no curve can be continued
MAX_TRIALS = 100  # that are replayed, so that a replay takes no longer for a larger run


@final
@dataclass(frozen=True)
class Record:
    """The curves of the trials that have a value or have diverged."""

    space: Space
    configurations: tuple[dict[str, Any], ...]
    values: np.ndarray  # objective, (trials, epochs); NaN where it is not known
    seconds: np.ndarray  # of each epoch, (trials, epochs); an untrained one takes the trial's mean
    trained: np.ndarray  # epochs with a value, (trials,)
    diverged: np.ndarray  # whether the trial diverged in the epoch after these, (trials,)
    winner: int  # row of the best trial of the run

    @property
    def epochs(self) -> int:
        """Epochs of the last rung."""
        return int(self.values.shape[1])

    @property
    def complete(self) -> np.ndarray:
        """Whether the trial was trained to the last rung, (trials,)."""
        return np.asarray(self.trained == self.epochs)

    def sample(self, seed: int) -> np.ndarray:
        """Rows to replay: all, or MAX_TRIALS drawn at random with the winner among them, (rows,)."""
        count = len(self.configurations)
        if count <= MAX_TRIALS:
            return np.arange(count)
        others = np.delete(np.arange(count), self.winner)
        drawn = np.random.default_rng(derive_seed(seed)).choice(others, MAX_TRIALS - 1, replace=False)
        return np.sort(np.append(drawn, self.winner))


def read_record(run: Run, config: RunConfig) -> Record:
    """The record of a run.

    Raises ValueError if several metrics rank its trials, if its rungs differ in more than epochs, if fewer
    than MIN_TRIALS trials have a value, or if fewer than MIN_COMPLETE are complete.
    """
    space = config.space
    if not space.ranks_by_value:
        raise ValueError(
            f"{run.name} ranks its trials by several metrics, but a replay takes one objective and no "
            "constraint (choose another run)"
        )
    if config.fidelity != ("epochs",):
        raise ValueError(
            f"{run.name} has fidelity={list(config.fidelity)}, but a replay takes [epochs] only: values of "
            "other image sizes are no points of one learning curve (choose another run)"
        )
    rows = [
        row for row in run.trials.to_pylist() if row["objective"] is not None or row["state"] == "diverged"
    ]
    valued = sum(row["objective"] is not None for row in rows)
    if valued < MIN_TRIALS:
        raise ValueError(
            f"{run.name} has {valued} trials with a value, but a replay needs {MIN_TRIALS} or more "
            "(choose a larger run)"
        )
    position = {row["trial"]: number for number, row in enumerate(rows)}
    values = np.full((len(rows), config.epochs), np.nan)
    seconds = np.full_like(values, np.nan)
    for row in run.epochs.to_pylist():
        if row["trial"] in position:
            place = position[row["trial"]], row["epoch"] - 1
            values[place], seconds[place] = row[space.objective.metric], row["seconds"]
    diverged = np.array([row["state"] == "diverged" for row in rows])
    trained = np.array([row["epochs"] for row in rows]) - diverged
    values[np.arange(config.epochs) >= trained[:, None]] = np.nan
    complete = int((trained == config.epochs).sum())
    if complete < MIN_COMPLETE:
        raise ValueError(
            f"{run.name} is too thin a record for a replay: {complete} of {len(rows)} trials reach epoch "
            f"{config.epochs}, but {MIN_COMPLETE} must (choose a larger run)"
        )
    best = run.best()
    assert best is not None, "a run of trials with a value has a best one"
    return Record(
        space,
        tuple(space.params_in(row) for row in rows),
        values,
        completed_seconds(seconds),
        trained,
        diverged,
        position[best["trial"]],
    )


def completed_seconds(seconds: np.ndarray) -> np.ndarray:
    """The seconds, (trials, epochs), with the mean of a trial in place of those that are not known."""
    known = np.isfinite(seconds)
    sums = np.where(known, seconds, 0.0).sum(axis=1)
    means = sums / np.maximum(known.sum(axis=1), 1)
    return np.where(known, seconds, means[:, None])
