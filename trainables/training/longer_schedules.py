"""Schedules of a module whose training has got more epochs than it had when its checkpoint was written."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

SCHEDULED = ("lr", "momentum", "betas")  # entries of a parameter group that schedules change


@final
class LongerSchedules(Callback):
    """Schedules go on at the place that those of all epochs have after as many steps.

    Those of the checkpoint were made for fewer epochs: at their end a cosine rises again, and OneCycleLR
    raises. So the new ones, which `configure_optimizers` has made, are stepped as often as those of `former`,
    the states in the checkpoint. A schedule that follows a metric goes on as it was.
    """

    def __init__(self, former: Sequence[Mapping[str, Any]]) -> None:
        self.former = former
        # Of each schedule its state, and what it has made of the parameter groups of its optimizer.
        self.states: list[tuple[LRScheduler, dict[str, Any], list[dict[str, Any]]]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Before Lightning restores the checkpoint."""
        for config, former in zip(trainer.lr_scheduler_configs, self.former, strict=True):
            scheduler = config.scheduler
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the optimizer has made no step
                for _ in range(former["last_epoch"]):
                    scheduler.step()
            groups = scheduler.optimizer.param_groups
            entries = [{key: group[key] for key in SCHEDULED if key in group} for group in groups]
            self.states.append((scheduler, scheduler.state_dict(), entries))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After that."""
        for scheduler, state, entries in self.states:
            scheduler.load_state_dict(state)
            for group, own in zip(scheduler.optimizer.param_groups, entries, strict=True):
                group.update(own)
