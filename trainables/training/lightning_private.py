"""Private interfaces of Lightning that training relies on: used here only.

Checked against Lightning 2.6.6; tests/trainables/training/test_lightning_private.py fails when one changes.
One more can only be overridden in a subclass: `LightningCLI._parse_ckpt_path`, in trainables/__main__.py.
"""

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
from lightning.fabric.utilities.data import _set_sampler_epoch
from lightning.pytorch.core.optimizer import (
    LightningOptimizer,
    _configure_optimizers,
    _configure_schedulers_automatic_opt,
    _configure_schedulers_manual_opt,
    _validate_multiple_optimizers_support,
    _validate_optimizers_attached,
    _validate_scheduler_api,
)
from lightning.pytorch.strategies import FSDPStrategy, Strategy
from lightning.pytorch.utilities.types import LRSchedulerConfig as Scheduler
from torch.optim import Optimizer

CHECKED_VERSION = "2.6.6"


def set_epochs_done(trainer: L.Trainer, epochs: int) -> None:
    """Makes `trainer.fit` begin at this epoch, counted from 0, where Lightning restores no checkpoint."""
    progress = trainer.fit_loop.epoch_progress.current
    progress.processed = progress.completed = epochs  # type: ignore[attr-defined]


def restart_training_batches(trainer: L.Trainer) -> None:
    """Begins a new pass over the training data loader; for use in `on_train_epoch_start`.

    Lightning starts the first pass of a `fit` before that hook, and all later ones after it. A loader that
    draws its order from a global generator must start after the hook has seeded that.
    """
    iter(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]


def set_sampler_epoch(loader: object, epoch: int) -> None:
    """Tells the samplers of a loader the epoch, counted from 0, if they have `set_epoch`."""
    _set_sampler_epoch(loader, epoch)


def checkpoint_dict(trainer: L.Trainer) -> dict[str, Any]:
    """The dict that `trainer.save_checkpoint` writes: module, optimizers, schedulers, callbacks, loops."""
    return trainer._checkpoint_connector.dump_checkpoint(weights_only=False)


def optimizers_and_schedulers(module: L.LightningModule) -> tuple[list[Optimizer], list[Scheduler]]:
    """What `configure_optimizers` of a module returns, in whichever of its many forms.

    Raises MisconfigurationException, TypeError or RuntimeError for a return value that Lightning refuses.
    """
    optimizers, schedulers, monitor = _configure_optimizers(module.configure_optimizers())  # type: ignore[arg-type]
    configs = (
        _configure_schedulers_automatic_opt(schedulers, monitor)
        if module.automatic_optimization
        else _configure_schedulers_manual_opt(schedulers)
    )
    _validate_multiple_optimizers_support(optimizers, module)
    _validate_optimizers_attached(optimizers, configs)
    _validate_scheduler_api(configs, module)
    return optimizers, configs


def lightning_optimizers(
    optimizers: Iterable[Optimizer], strategy: Strategy, after_step: Callable[[], None]
) -> list[LightningOptimizer]:
    """The optimizers as `LightningModule.optimizers()` returns them; `after_step` follows each step."""
    wrapped = [LightningOptimizer._to_lightning_optimizer(one, strategy) for one in optimizers]
    for one in wrapped:
        one._on_after_step = after_step
    return wrapped


def gathers_state(strategy: FSDPStrategy) -> bool:
    """Whether rank 0 gets the whole state of module and optimizers, where others get none of it."""
    return strategy._state_dict_type == "full"
