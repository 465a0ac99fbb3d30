"""The configuration in an export, which trains the model again: LightningCLI's, or that of the project."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import yaml
from torch import Tensor

from results.store import Run
from search.after.models import Model
from trainables.learner import Learner
from trainables.training.build import data_arguments, module_arguments, parameters

CONFIG_HEAD = """\
# {model} of run {run}, for LightningCLI: python -m trainables fit --config THIS_FILE
# It has the seeds of that training, {curve}.
"""
IN_ONE_GO = "but trains in one go: a trial from before the epochs of the search have grown has another curve"
SAME_CURVE = "so its curve is identical"
OTHER_SIZES = "but one image size, so its curve differs: in the search each rung had its own size"
SEVERAL_CURVE = "so its curve is identical for metrics that are logged with sync_dist=True"
PROJECT_HEADS = {
    "lightning": "# {model} of run {run}, for the LightningCLI of its project: fit --config THIS_FILE\n",
    "hydra": "# {model} of run {run}, for its project: --config-dir FOLDER --config-name NAME\n",
}


def configuration(run: Run, model: Model, module: L.LightningModule, data: L.LightningDataModule) -> str:
    """The text of the configuration that trains the model again."""
    setup = model.setup
    if setup.project:
        head = PROJECT_HEADS[setup.project.kind].format(model=model.name, run=run.name)
        return head + yaml.safe_dump(
            setup.project.with_values(parameters(setup, model.lane)), sort_keys=False
        )
    init_args = {"model": module_arguments(setup, model.lane, data)}
    if setup.data is not None:
        init_args["data"] = data_arguments(setup, model.lane)
    curve = SEVERAL_CURVE if setup.devices > 1 else SAME_CURVE
    if setup.batch_seed is None and len(run.config.get("fidelity", ["epochs"])) > 1:
        curve = OTHER_SIZES
    elif setup.batch_seed is None and run.config.get("grown_from"):
        curve = IN_ONE_GO
    head = CONFIG_HEAD.format(model=model.name, run=run.name, curve=curve)
    return head + yaml.safe_dump(lightning_config(model, module, init_args), sort_keys=False)


def lightning_config(
    model: Model, module: L.LightningModule, init_args: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The configuration for LightningCLI that trains the model again.

    `init_args` are the arguments of the model and of the data.
    """
    setup = model.setup
    batch_seed = setup.seed if setup.batch_seed is None else setup.batch_seed
    # The randomness of a learner is seeded by its trial, that of another module with its batches.
    epoch_seed = model.lane.seed if isinstance(module, Learner) else batch_seed
    seeds = {"epoch_seed": epoch_seed, "data_seed": setup.seed}
    monitor = {"monitor": setup.objective, "mode": setup.mode}
    return {
        "seed_everything": model.lane.seed,
        "trainer": {
            "accelerator": "auto",
            "devices": setup.devices,
            "max_epochs": setup.epochs,
            **setup.trainer,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": setup.devices > 1,
            "logger": instance("lightning.pytorch.loggers.CSVLogger", {"save_dir": "."}),
            "callbacks": [
                instance("trainables.training.reproduce.ReproduceTrial", seeds),
                instance("lightning.pytorch.callbacks.ModelCheckpoint", monitor),
            ],
        },
        **{
            name: instance(source.replace(":", "."), init_args[name])
            for name, source in (("model", setup.trainable), ("data", setup.data))
            if source is not None
        },
    }


def instance(class_path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """An object in a configuration of LightningCLI."""
    return {"class_path": class_path, "init_args": {name: plain(value) for name, value in arguments.items()}}


def plain(value: Any) -> Any:
    """A value for YAML."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
