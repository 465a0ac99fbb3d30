"""Callbacks of the Trainer in a pack: early stopping, of each lane alone, and those that packs leave out."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer.states import TrainerFn

LEFT_OUT: Mapping[type[Callback], str] = {
    ModelCheckpoint: "Ladder keeps a checkpoint of each trial",
    LearningRateMonitor: "the learning rate is a metric of each trial, lr",
}


@final
class LaneStopping:
    """The EarlyStopping callbacks among the Trainer's arguments of a lane.

    They get a stand-in for the Trainer that answers what they ask of it.
    """

    trainer: Any

    def __init__(self, options: Mapping[str, Any], module: L.LightningModule) -> None:
        callbacks = callbacks_of(options)
        self.callbacks = [one for one in callbacks if isinstance(one, EarlyStopping)]
        self.module = module
        self.trainer = SimpleNamespace(
            check_val_every_n_epoch=1,
            fast_dev_run=False,
            sanity_checking=False,
            should_stop=False,
            state=SimpleNamespace(fn=TrainerFn.FITTING),
            strategy=SingleDeviceStrategy(),
            val_check_interval=1.0,
            world_size=1,
        )
        for callback in self.callbacks:
            callback.setup(self.trainer, module, "fit")

    def ends(self, epoch: int, metrics: Mapping[str, float], validated: bool) -> bool:
        """Whether the training ends with this epoch, counted from 0.

        Raises RuntimeError if a metric that a callback monitors is not among `metrics`.
        """
        self.trainer.current_epoch = epoch
        self.trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
        for callback in self.callbacks:
            if validated:
                callback.on_validation_end(self.trainer, self.module)
            callback.on_train_epoch_end(self.trainer, self.module)
        return bool(self.trainer.should_stop)

    def state(self) -> dict[str, Any]:
        """The states of the callbacks, as in Lightning's checkpoint."""
        return {callback.state_key: callback.state_dict() for callback in self.callbacks}

    def restore(self, states: Mapping[str, Any]) -> None:
        """Restores the callbacks that have a state there."""
        for callback in self.callbacks:
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])


def callbacks_of(options: Mapping[str, Any]) -> list[Callback]:
    """The callbacks among the Trainer's arguments."""
    return list(options.get("callbacks") or [])


def callbacks_error(callbacks: list[Callback]) -> str | None:
    """The reason why a pack can't honour these callbacks; None if it can. Subclasses may do anything."""
    others = [type(one).__name__ for one in callbacks if type(one) not in (EarlyStopping, *LEFT_OUT)]
    return f"packs do not honour the callback {', '.join(others)} of the Trainer" if others else None


def left_out_note(options: Mapping[str, Any]) -> str | None:
    """A line on the callbacks that packs leave out; None if there are none."""
    found = dict.fromkeys(type(one) for one in callbacks_of(options) if type(one) in LEFT_OUT)
    reasons = [f"{kind.__name__} ({LEFT_OUT[kind]})" for kind in found]
    return f"packs leave out {', '.join(reasons)}" if reasons else None


def without_left_out(options: Mapping[str, Any]) -> dict[str, Any]:
    """The Trainer's arguments without the callbacks that packs leave out."""
    kept = [one for one in callbacks_of(options) if type(one) not in LEFT_OUT]
    return {**options, **({"callbacks": kept} if "callbacks" in options else {})}
