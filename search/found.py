"""The models that a run has found, taken from its folder."""

from pathlib import Path
from typing import Any

import lightning as L

from results.store import Run
from search.config import from_plain
from search.run import setup
from trainables import checkpoint
from trainables.train import Lane, Setup, build


def trained(run: Run, trial: int) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The trial's learner, in eval mode with the weights of its kept checkpoint, and its data; on the CPU.

    Raises ValueError if the run has no such trial, or keeps no checkpoint of it.
    """
    row = trial_row(run, trial)
    return loaded(run, params_of(row), kept(run, row), trial)


def loaded(
    run: Run, params: dict[str, Any], path: Path, number: int
) -> tuple[L.LightningModule, L.LightningDataModule]:
    """A configuration's learner with the weights of lane `number` of a checkpoint, and its data."""
    module, data = build(setup_of(run), Lane(number, params, seed=0))
    module.load_state_dict(checkpoint.weights(path, number))
    return module.eval(), data


def setup_of(run: Run) -> Setup:
    """What is the same for every trial of the run."""
    return Setup(**setup(from_plain(run.config, str(run.path / "config.yaml"))))


def trial_row(run: Run, trial: int) -> dict[str, Any]:
    """The trial's row of the trials table. Raises ValueError."""
    rows = [row for row in run.trials.to_pylist() if row["trial"] == trial]
    if not rows:
        raise ValueError(f"run {run.name} has no trial {trial}; it has {run.trials.num_rows} trials")
    return rows[0]


def params_of(row: dict[str, Any]) -> dict[str, Any]:
    """The parameters in a row of the trials table."""
    return {key.removeprefix("param/"): value for key, value in row.items() if key.startswith("param/")}


def kept(run: Run, row: dict[str, Any]) -> Path:
    """The checkpoint that holds the trial as its row says it is. Raises ValueError if there is none."""
    for path in sorted((run.path / "checkpoints").glob(f"trial-*-epoch-{row['epochs']}.safetensors")):
        if row["trial"] in checkpoint.lanes(path):
            return path
    raise ValueError(
        f"run {run.name} keeps no checkpoint of trial {row['trial']} ({row['state']} after {row['epochs']} "
        "epochs): it keeps those of complete trials and of the best one"
    )
