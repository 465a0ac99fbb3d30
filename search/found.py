"""The models that a run has found, taken from its folder."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L

from results.store import Run
from search.config import from_plain
from search.job import DEFAULT, first_seed
from search.run import setup
from spaces.space import Space
from trainables import checkpoint
from trainables.train import Lane, Setup, build


@dataclass(frozen=True)
class Model:
    """A trained model of a run: how it was trained, and where its weights are."""

    name: str  # "trial 7", or "trial 7, seed 3" where that is a confirmed one
    lane: Lane  # `start` is its checkpoint
    setup: Setup
    epoch: int  # the one that the weights are of
    value: float  # the objective there, on the validation split


def trained(run: Run, trial: int) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The trial's learner, in eval mode with the weights of its kept checkpoint, and its data; on the CPU.

    Raises ValueError if the run has no such trial, or keeps no checkpoint of it.
    """
    rows = run.trials.to_pylist()
    for row in rows:
        if row["trial"] == trial:
            return loaded(searched(run, row))
    raise ValueError(f"run {run.name} has no trial {trial}; it has {len(rows)} trials")


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
    sign = 1 if run.config["objective"]["mode"] == "min" else -1
    said = run.confirmation()
    if run.confirmed is not None and said is not None and said.winner is not None:
        rows = [row for row in run.confirmed.to_pylist() if row["checkpoint"]]
        rows.sort(key=lambda row: (row["config"] != said.winner, sign * row["val"]))
        return [confirmed(run, row) for row in rows]
    rows = [row for row in run.trials.to_pylist() if row["objective"] is not None and kept(run, row)]
    if not rows:
        raise ValueError(
            f"run {run.name} keeps no model: no trial has a value (python -m search show {run.name})"
        )
    rows.sort(key=lambda row: (sign * row["objective"], row["trial"]))
    return [searched(run, row) for row in rows]


def loaded(model: Model) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The model in eval mode, and its data; on the CPU."""
    module, data = build(model.setup, model.lane)
    module.load_state_dict(weights(model))
    return module.eval(), data


def weights(model: Model) -> checkpoint.State:
    """The model's parameters and buffers, by name."""
    assert model.lane.start is not None
    return checkpoint.weights(Path(model.lane.start), model.lane.number)


def searched(run: Run, row: Mapping[str, Any]) -> Model:
    """The model of a row of the trials table. Raises ValueError if it is not kept."""
    path = kept(run, row)
    if path is None:
        raise ValueError(
            f"run {run.name} keeps no checkpoint of trial {row['trial']} ({row['state']} after "
            f"{row['epochs']} epochs): it keeps those of complete trials and of the best one"
        )
    config = from_plain(run.config, str(run.path / "config.yaml"))
    number, epochs = row["trial"], row["epochs"]
    seed = first_seed(config.seed, number, config.weights_seed)
    lane = Lane(number, params_of(row, config.space), seed, str(path))
    return Model(f"trial {number}", lane, Setup(**setup(config)), epochs, row["objective"])


def confirmed(run: Run, row: Mapping[str, Any]) -> Model:
    """The model of a row of the confirmation's table."""
    config = from_plain(run.config, str(run.path / "config.yaml"))
    number = DEFAULT if row["trial"] is None else row["trial"]
    lane = Lane(number, params_of(row, config.space), row["seed"], str(run.path / row["checkpoint"]))
    plan = replace(Setup(**setup(config)), batch_seed=row["seed"])
    return Model(f"{row['config']}, seed {row['seed']}", lane, plan, row["epoch"], row["val"])


def params_of(row: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The parameters in a row of a table; one that does not count beside the others is null and left out."""
    values = {name: row[f"param/{name}"] for name in space.params if f"param/{name}" in row}
    return {name: value for name, value in values.items() if value is not None or None in space.params[name]}


def kept(run: Run, row: Mapping[str, Any]) -> Path | None:
    """The checkpoint that holds the trial as its row says it is, if there is one."""
    for path in sorted((run.path / "checkpoints").glob(f"trial-*-epoch-{row['epochs']}.safetensors")):
        if row["trial"] in checkpoint.lanes(path):
            return path
    return None
