"""Schedules of a module whose training has got more epochs than it had when its checkpoint was written.

They go on at the place that those of all epochs have after as many steps. Those of the checkpoint were made
for fewer epochs: at their end a cosine rises again, and OneCycleLR raises. So the new ones, which
`configure_optimizers` has made, are stepped as often as the former ones. A schedule that follows a metric
goes on as it was.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

SCHEDULED = ("lr", "momentum", "betas")  # entries of a parameter group that schedules change
# A schedule, its state, and what it has made of the parameter groups of its optimizer.
Stepped = tuple[LRScheduler, dict[str, Any], list[dict[str, Any]]]


def stepped(schedulers: Iterable[Any], former: Sequence[Mapping[str, Any]]) -> list[Stepped]:
    """Steps new schedules as often as those of `former`, their states in the checkpoint.

    For use before optimizer and schedules are restored.
    """
    states = []
    for scheduler, state in zip(schedulers, former, strict=True):
        if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the optimizer has made no step
            for _ in range(state["last_epoch"]):
                scheduler.step()
        groups = scheduler.optimizer.param_groups
        entries = [{key: group[key] for key in SCHEDULED if key in group} for group in groups]
        states.append((scheduler, scheduler.state_dict(), entries))
    return states


def put_back(states: Iterable[Stepped]) -> None:
    """Gives schedules and optimizers what `stepped` has returned; for use when they are restored."""
    for scheduler, state, entries in states:
        scheduler.load_state_dict(state)
        for group, own in zip(scheduler.optimizer.param_groups, entries, strict=True):
            group.update(own)


@final
class LongerSchedules(Callback):
    """Lengthens the schedules of a module whose checkpoint Lightning restores; `former` are their states."""

    def __init__(self, former: Sequence[Mapping[str, Any]]) -> None:
        self.former = former
        self.states: list[Stepped] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Before Lightning restores the checkpoint."""
        self.states = stepped((config.scheduler for config in trainer.lr_scheduler_configs), self.former)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After that."""
        put_back(self.states)
