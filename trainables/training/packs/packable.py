"""Which LightningModules a pack can train as Lightning does; the others train alone, under Lightning."""

import inspect
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.core.hooks import CheckpointHooks, DataHooks, ModelHooks
from lightning.pytorch.utilities.model_helpers import is_overridden

from trainables.learner import Learner
from trainables.training.own_loaders import OwnLoaders
from trainables.training.packs.lane_callbacks import callbacks_error, callbacks_of

# Hooks of a module that packs call where Lightning does, or that concern no training.
HONOURED = {
    "configure_model",
    "on_fit_start",
    "on_load_checkpoint",
    "on_save_checkpoint",
    "on_train_epoch_end",
    "on_train_epoch_start",
    "on_train_start",
    "on_validation_epoch_end",
    "on_validation_epoch_start",
    "predict_dataloader",
    "prepare_data",
    "setup",
    "test_dataloader",
}
OF_OTHER_STAGES = ("on_test_", "on_predict_")
METHODS = (  # of LightningModule, that change a step
    "backward",
    "clip_gradients",
    "configure_callbacks",
    "configure_gradient_clipping",
    "lr_scheduler_step",
    "optimizer_step",
    "optimizer_zero_grad",
)
OF_DATA = {"prepare_data", "setup", *(f"{split}_dataloader" for split in ("train", "val", "test", "predict"))}
# Arguments of the Trainer that packs honour, and those that change nothing in a pack.
LIMITS = ("limit_train_batches", "limit_val_batches")
OPTIONS = {"accumulate_grad_batches", "gradient_clip_algorithm", "gradient_clip_val", *LIMITS}
PASSED = {"accelerator", "benchmark", "detect_anomaly", "deterministic", "inference_mode", "precision"}
WITHOUT_EFFECT = {"limit_predict_batches", "limit_test_batches", "log_every_n_steps"}
PRECISIONS = ("32", "32-true", "bf16-mixed")


def pack_error(
    module: L.LightningModule, data: L.LightningDataModule, options: Mapping[str, Any]
) -> str | None:
    """The reason why a pack can't train this module as Lightning does; None if nothing speaks against it.

    `options` are arguments of the Trainer.
    """
    if isinstance(module, Learner):
        return None
    if isinstance(data, OwnLoaders):
        return "it has loaders of its own"
    if "dataloader_iter" in inspect.signature(module.training_step).parameters:
        return "its training_step takes the iterator of the loader"
    hooks = [
        name for kind in (ModelHooks, DataHooks, CheckpointHooks) for name in vars(kind) if name[0] != "_"
    ]
    for name in (*hooks, *METHODS):
        if name not in HONOURED and not name.startswith(OF_OTHER_STAGES) and is_overridden(name, module):
            return f"it overrides {name}"
    for name in (*vars(DataHooks), "state_dict", "load_state_dict"):
        if name[0] != "_" and name not in OF_DATA and is_overridden(name, data):
            return f"its data overrides {name}"
    return option_error(options)


def option_error(options: Mapping[str, Any]) -> str | None:
    """The reason why a pack can't honour these arguments of the Trainer; None if it can."""
    defaults = inspect.signature(L.Trainer.__init__).parameters
    for name, value in options.items():
        if value in (None, False, [], defaults[name].default) or name in (*OPTIONS, *WITHOUT_EFFECT):
            continue
        if name == "callbacks":
            if reason := callbacks_error(callbacks_of(options)):
                return reason
            continue
        if name not in PASSED or (name == "precision" and str(value) not in PRECISIONS):
            return f"packs do not honour trainer.{name}={value!r:.60}"
    return None


def passed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the Trainer of a pack gets."""
    return {name: value for name, value in options.items() if name in PASSED and value is not None}
