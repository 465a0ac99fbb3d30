"""A run's best model as files that anyone can use without the run: the folder `best/`."""

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
from search.after.models import Model, best, loaded
from trainables.learner import Learner
from trainables.training.train import data_arguments, module_arguments

CONFIG_HEAD = """\
# {model} of run {run}, for LightningCLI: python -m trainables fit --config THIS_FILE
# It has the seeds of that training, {curve}.
"""
SAME_CURVE = "so its curve is the same again"
OTHER_CURVE = "but one size of images, so its curve is another: in the search each rung had its own"


def export(run: Run, *, onnx: bool) -> Path:
    """Writes the run's best model to its folder `best/`, whole or not at all, and returns that.

    Raises ValueError if the run has no model, or the model can't be written as ONNX.
    """
    model = best(run)
    target, fresh = run.path / "best", run.path / f".best.{os.getpid()}"
    fresh.mkdir()
    try:
        write(run, model, fresh, onnx)
        swap(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def swap(fresh: Path, target: Path) -> None:
    """Puts a folder in the place of another, or where there was none."""
    old = target.with_name(f".{target.name}.old.{os.getpid()}")
    if not target.exists():
        fresh.rename(target)
        return
    target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def write(run: Run, model: Model, folder: Path, onnx: bool) -> None:
    """Writes the files of an export."""
    module, data = loaded(model)
    arguments = module_arguments(model.setup, model.lane, data)
    state = {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    torch.save(lightning_checkpoint(module, arguments, model), folder / "model.ckpt")
    given = {"data": data_arguments(model.setup, model.lane), "model": arguments}
    climbed = model.setup.batch_seed is None and len(run.config.get("fidelity", ["epochs"])) > 1
    curve = OTHER_CURVE if climbed else SAME_CURVE
    head = CONFIG_HEAD.format(model=model.name, run=run.name, curve=curve)
    config = yaml.safe_dump(lightning_config(model, module, given), sort_keys=False)
    (folder / "config.yaml").write_text(head + config)
    (folder / "MODEL_CARD.md").write_text(
        card(
            run,
            model=model.name,
            config=model.name.partition(",")[0],
            value=model.value,
            epoch=model.epoch,
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
    """A checkpoint that `load_from_checkpoint` takes: weights, and what `__init__` is called with."""
    return {
        "epoch": model.epoch - 1,  # Lightning's is that of the last epoch, counted from 0
        "global_step": 0,
        "pytorch-lightning_version": L.__version__,
        "state_dict": module.state_dict(),
        module.CHECKPOINT_HYPER_PARAMS_KEY: dict(arguments),
    }


def lightning_config(
    model: Model, module: L.LightningModule, given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The configuration for LightningCLI that trains the model again; `given` are both classes' arguments."""
    plan = model.setup
    batch_seed = plan.seed if plan.batch_seed is None else plan.batch_seed
    # A learner's own randomness is seeded by the trial, another module's by what orders its batches.
    epoch_seed = model.lane.seed if isinstance(module, Learner) else batch_seed
    seeds = {"epoch_seed": epoch_seed, "data_seed": plan.seed}
    monitor = {"monitor": plan.objective, "mode": plan.mode}
    return {
        "seed_everything": model.lane.seed,
        "trainer": {
            "accelerator": "auto",
            "devices": 1,
            "max_epochs": plan.epochs,
            **plan.trainer,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "logger": instance("lightning.pytorch.loggers.CSVLogger", {"save_dir": "."}),
            "callbacks": [
                instance("trainables.training.reproduce.ReproduceTrial", seeds),
                instance("lightning.pytorch.callbacks.ModelCheckpoint", monitor),
            ],
        },
        "model": instance(plan.trainable.replace(":", "."), given["model"]),
        "data": instance(plan.data.replace(":", "."), given["data"]),
    }


def instance(class_path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """An object as LightningCLI's configurations have it."""
    return {"class_path": class_path, "init_args": {name: plain(value) for name, value in arguments.items()}}


def plain(value: Any) -> Any:
    """A value as YAML has it."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def first_inputs(data: L.LightningDataModule) -> Tensor:
    """The inputs of the first validation batch. Raises ValueError if it does not begin with a tensor."""
    data.prepare_data()
    data.setup("validate")
    batch = next(iter(data.val_dataloader()))
    inputs = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(inputs, Tensor):
        kind = type(inputs).__name__
        raise ValueError(f"a batch of {type(data).__name__} begins with a {kind}, not a tensor (onnx=false)")
    return inputs
