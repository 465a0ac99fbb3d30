"""The trained models of a run, from its tables and checkpoints."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L

from results.store import Run, best_first
from search.config.run_config import RunConfig
from search.core.job import DEFAULT, trial_seed
from search.engines.train_job import training_setup
from search.runs.folder import read_config
from search.runs.mirror import Mirror, local_checkpoint
from search.runs.tables import with_tables
from spaces.lane import Lane
from spaces.messages import one_line
from trainables.training import checkpoint
from trainables.training.build import build
from trainables.training.setup import Setup


@dataclass(frozen=True)
class Model:
    """A trained model of a run: the settings of its training, and the place of its weights."""

    name: str  # "trial 7", or "trial 7, seed 3" if it is confirmed
    lane: Lane  # `start` is its checkpoint; that of a remote run is at its storage
    setup: Setup
    epoch: int  # of the weights
    value: float  # objective at that epoch, on the validation split

    @property
    def weights(self) -> str:
        """The place of its weights in its training, for people."""
        is_confirmed = self.setup.batch_seed is not None  # trained in full, and the best epoch is kept
        if is_confirmed or self.epoch >= self.setup.epochs:
            return f"from epoch {self.epoch}"
        return f"from epoch {self.epoch} of {self.setup.epochs}: the search has not trained it to the end"


def best_model(run: Run) -> Model:
    """The model to use: the confirmed winner's with the best validation, else the best trial's.

    Raises ValueError if the run keeps no model.
    """
    return ranked_models(run)[0]


def ranked_models(run: Run) -> list[Model]:
    """All models whose weights are kept, the best first.

    Of a confirmed run: the best seed of each configuration, the winner first. Raises ValueError if the run
    keeps no model.
    """
    run = with_tables(run)
    config, confirmation = read_config(run), run.confirmation
    if run.confirmed is not None and confirmation is not None and confirmation.winner is not None:
        rows = [row for row in run.confirmed.to_pylist() if row["checkpoint"]]
        winner, sign = confirmation.winner, config.space.objective.sign
        rows.sort(key=lambda row: (row["config"] != winner, sign * row["val"]))
        return [confirmed_model(run, config, row) for row in rows]
    kept = Mirror(run.path).sizes()
    files = {(row["trial"], row["rung"]): row["checkpoint"] for row in run.rungs.to_pylist()}
    models = [
        searched_model(config, row, run.path / file)
        for row in best_first(run.trials.to_pylist(), config.space.objective.mode)
        if (file := files.get((row["trial"], row["rung"]))) in kept
    ]
    if not models:
        raise ValueError(
            f"run {run.name} keeps no model: no trial with a value has a checkpoint "
            f"(python -m search show {run.name})"
        )
    return models


def load(model: Model) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The model in eval mode, and its data; on the CPU.

    Raises ValueError if its checkpoint is damaged or belongs to another module.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # notes on the data, which the search has printed
        module, data = build(model.setup, model.lane)
    assert model.lane.start is not None
    with local_checkpoint(Path(model.lane.start)) as path:
        weights = checkpoint.weights(path, model.lane.number)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"the checkpoint {model.lane.start} does not fit {model.setup.trainable}; restore the file, or "
            f"the module as it was in the search ({one_line(error)[:300]})"
        ) from error
    return module.eval(), data


def searched_model(config: RunConfig, row: Mapping[str, Any], path: Path) -> Model:
    """The model of a row of the trials table, with the checkpoint at `path`."""
    number, rung = row["trial"], row["rung"]
    seed = trial_seed(config.seed, number, config.init_seed)
    lane = Lane(number, config.space.params_in(row), seed, str(path))
    setup = Setup(**training_setup(config))
    setup = replace(setup, options={**setup.options, **config.rung_options[rung]})
    return Model(f"trial {number}", lane, setup, row["epochs"], row["objective"])


def confirmed_model(run: Run, config: RunConfig, row: Mapping[str, Any]) -> Model:
    """The model of a row of the confirmation's table."""
    number = DEFAULT if row["trial"] is None else row["trial"]
    lane = Lane(number, config.space.params_in(row), row["seed"], str(run.path / row["checkpoint"]))
    setup = replace(Setup(**training_setup(config)), batch_seed=row["seed"])
    return Model(f"{row['config']}, seed {row['seed']}", lane, setup, row["epoch"], row["val"])
