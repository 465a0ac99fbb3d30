"""The models that a run has found, taken from its folder."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L

from results.store import Run, best_first
from search.config.fidelity import stages
from search.config.run_config import RunConfig
from search.core.job import DEFAULT, initial_seed
from search.runs.folder import read_config
from search.runs.run import setup
from trainables.training import checkpoint
from trainables.training.train import Lane, Setup, build


@dataclass(frozen=True)
class Model:
    """A trained model of a run: how it was trained, and where its weights are."""

    name: str  # "trial 7", or "trial 7, seed 3" where that is a confirmed one
    lane: Lane  # `start` is its checkpoint
    setup: Setup
    epoch: int  # the one that the weights are of
    value: float  # the objective there, on the validation split


def best(run: Run) -> Model:
    """The model to use: of the confirmed winner the one with the best validation, else the best trial's.

    Raises ValueError if there is none.
    """
    return ranked(run)[0]


def ranked(run: Run) -> list[Model]:
    """All models whose weights are kept, the one to use first.

    Of a confirmed run the best seed of each configuration, the winner's first. Raises ValueError if there are
    none.
    """
    config, said = read_config(run), run.confirmation()
    if run.confirmed is not None and said is not None and said.winner is not None:
        rows = [row for row in run.confirmed.to_pylist() if row["checkpoint"]]
        rows.sort(key=lambda row: (row["config"] != said.winner, config.space.objective.sign * row["val"]))
        return [confirmed(run, config, row) for row in rows]
    valued = best_first(run.trials.to_pylist(), config.space.objective.mode)
    found = [searched(config, row, path) for row in valued if (path := kept(run, row))]
    if not found:
        raise ValueError(
            f"run {run.name} keeps no model: no trial with a value has a checkpoint "
            f"(python -m search show {run.name})"
        )
    return found


def loaded(model: Model) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The model in eval mode, and its data; on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is to be noted of the data was said by the search
        module, data = build(model.setup, model.lane)
    module.load_state_dict(weights(model))
    return module.eval(), data


def weights(model: Model) -> checkpoint.State:
    """The model's parameters and buffers, by name."""
    assert model.lane.start is not None
    return checkpoint.weights(Path(model.lane.start), model.lane.number)


def searched(config: RunConfig, row: Mapping[str, Any], path: Path) -> Model:
    """The model of a row of the trials table, whose checkpoint lies at `path`."""
    number, epochs = row["trial"], row["epochs"]
    seed = trial_seed(config.seed, number, config.init_seed)
    lane = Lane(number, config.space.params_in(row), seed, str(path))
    plan = Setup(**setup(config))
    smaller = stages(config.fidelity, config.rungs, config.space.options).get(epochs, {})
    plan = replace(plan, options={**plan.options, **smaller})
    return Model(f"trial {number}", lane, plan, epochs, row["objective"])


def confirmed(run: Run, config: RunConfig, row: Mapping[str, Any]) -> Model:
    """The model of a row of the confirmation's table."""
    number = DEFAULT if row["trial"] is None else row["trial"]
    lane = Lane(number, config.space.params_in(row), row["seed"], str(run.path / row["checkpoint"]))
    plan = replace(Setup(**setup(config)), batch_seed=row["seed"])
    return Model(f"{row['config']}, seed {row['seed']}", lane, plan, row["epoch"], row["val"])


def kept(run: Run, row: Mapping[str, Any]) -> Path | None:
    """The checkpoint that holds the trial as its row says it is, if there is one."""
    for path in sorted((run.path / "checkpoints").glob(f"trial-*-epoch-{row['epochs']}.safetensors")):
        if row["trial"] in checkpoint.lanes(path):
            return path
    return None
