"""Export of the best model of a run to its folder `best/`, for use without the run."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from safetensors.torch import save
from torch import Tensor

from results.report.model_card import card
from results.store import Run
from search.after.models import Model, best_model, load
from trainables.learner import Learner
from trainables.training.train import data_arguments, module_arguments

CONFIG_HEAD = """\
# {model} of run {run}, for LightningCLI: python -m trainables fit --config THIS_FILE
# It has the seeds of that training, {curve}.
"""
SAME_CURVE = "so its curve is identical"
OTHER_CURVE = "but one image size, so its curve differs: in the search each rung had its own size"


def export(run: Run, *, onnx: bool) -> Path:
    """Writes the best model of the run to its folder `best/`, completely or not at all. Returns the folder.

    Raises ValueError if the run keeps no model, or if it cannot be written as ONNX.
    """
    model = best_model(run)
    target, temporary = run.path / "best", run.path / f".best.{os.getpid()}"
    temporary.mkdir()
    try:
        write(run, model, temporary, onnx)
        replace_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def replace_folder(new: Path, target: Path) -> None:
    """Renames `new` to `target`, and deletes the folder that was there."""
    old = target.with_name(f".{target.name}.old.{os.getpid()}")
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def write(run: Run, model: Model, folder: Path, onnx: bool) -> None:
    """Writes the files of an export."""
    module, data = load(model)
    arguments = module_arguments(model.setup, model.lane, data)
    state = {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    torch.save(lightning_checkpoint(module, arguments, model), folder / "model.ckpt")
    init_args = {"data": data_arguments(model.setup, model.lane), "model": arguments}
    grew = model.setup.batch_seed is None and len(run.config.get("fidelity", ["epochs"])) > 1
    curve = OTHER_CURVE if grew else SAME_CURVE
    head = CONFIG_HEAD.format(model=model.name, run=run.name, curve=curve)
    config = yaml.safe_dump(lightning_config(model, module, init_args), sort_keys=False)
    (folder / "config.yaml").write_text(head + config)
    (folder / "MODEL_CARD.md").write_text(
        card(
            run,
            model=model.name,
            config=model.name.partition(",")[0],
            value=model.value,
            weights=model.weights,
            params=model.lane.params,
            size=sum(parameter.numel() for parameter in module.parameters()),
            data={"class": run.config["data"].replace(":", ".")}
            | {name: model.setup.options[name] for name in run.config["options"] if name != "root"},
            licence=getattr(data, "licence", None),
        )
    )
    if onnx:
        from trainables.onnx import export as export_onnx

        export_onnx(module, first_inputs(data), folder / "model.onnx")


def lightning_checkpoint(
    module: L.LightningModule, arguments: Mapping[str, Any], model: Model
) -> dict[str, Any]:
    """A checkpoint for `load_from_checkpoint`: the weights and the arguments of `__init__`."""
    return {
        "epoch": model.epoch - 1,  # Lightning counts from 0
        "global_step": 0,
        "pytorch-lightning_version": L.__version__,
        "state_dict": module.state_dict(),
        module.CHECKPOINT_HYPER_PARAMS_KEY: dict(arguments),
    }


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
            "devices": 1,
            "max_epochs": setup.epochs,
            **setup.trainer,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "logger": instance("lightning.pytorch.loggers.CSVLogger", {"save_dir": "."}),
            "callbacks": [
                instance("trainables.training.reproduce.ReproduceTrial", seeds),
                instance("lightning.pytorch.callbacks.ModelCheckpoint", monitor),
            ],
        },
        "model": instance(setup.trainable.replace(":", "."), init_args["model"]),
        "data": instance(setup.data.replace(":", "."), init_args["data"]),
    }


def instance(class_path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """An object in a configuration of LightningCLI."""
    return {"class_path": class_path, "init_args": {name: plain(value) for name, value in arguments.items()}}


def plain(value: Any) -> Any:
    """A value for YAML."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def first_inputs(data: L.LightningDataModule) -> Tensor:
    """The inputs of the first validation batch. Raises ValueError if they are not a tensor."""
    data.prepare_data()
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    inputs = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(inputs, Tensor):
        kind = type(inputs).__name__
        raise ValueError(f"a batch of {type(data).__name__} begins with a {kind}, not a tensor (onnx=false)")
    return inputs
