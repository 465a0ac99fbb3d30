"""Export of the best model of a run to its folder `best/`, for use without the run."""

import os
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import torch
from safetensors.torch import save
from torch import Tensor

from results.report.model_card import card
from results.store import Run
from search.after.configuration import configuration
from search.after.models import Model, best_model, load
from search.runs.mirror import Mirror
from trainables.training.build import module_arguments


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
    Mirror(run.path).replace("best")
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
    state = {name: tensor.contiguous().clone() for name, tensor in module.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    torch.save(lightning_checkpoint(module, data, model), folder / "model.ckpt")
    (folder / "config.yaml").write_text(configuration(run, model, module, data))
    (folder / "MODEL_CARD.md").write_text(
        card(
            run,
            model=model.name,
            config=model.name.partition(",")[0],
            value=model.value,
            weights=model.weights,
            params=model.lane.params,
            size=sum(parameter.numel() for parameter in module.parameters()),
            is_project=model.setup.project is not None,
            trainable=model.setup.trainable.replace(":", "."),
            data={"class": (model.setup.data or "of the module").replace(":", ".")}
            | {name: model.setup.options[name] for name in run.config["options"] if name != "root"},
            licence=getattr(data, "licence", None),
        )
    )
    if onnx:
        from trainables.onnx import export as export_onnx

        export_onnx(module, first_inputs(data), folder / "model.onnx")


def lightning_checkpoint(
    module: L.LightningModule, data: L.LightningDataModule, model: Model
) -> dict[str, Any]:
    """A checkpoint for `load_from_checkpoint`: the weights and the arguments of `__init__`.

    The arguments of a project's module are those that it has saved itself.
    """
    setup = model.setup
    arguments = module.hparams if setup.project else module_arguments(setup, model.lane, data)
    return {
        "epoch": model.epoch - 1,  # Lightning counts from 0
        "global_step": 0,
        "pytorch-lightning_version": L.__version__,
        "state_dict": module.state_dict(),
        module.CHECKPOINT_HYPER_PARAMS_KEY: dict(arguments),
    }


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
