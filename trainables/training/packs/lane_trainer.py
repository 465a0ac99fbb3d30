"""LaneTrainer: the answers that a module in a pack gets from `self.trainer`."""

from collections.abc import Callable, Mapping
from typing import Any, final

import lightning as L


class Unpackable(Exception):
    """A module needs something that a pack has not; it can be trained alone."""


@final
class LaneTrainer:
    """Stands in for the Trainer of a lane, as far as a pack can answer for it.

    `module` is that of the lane, `epochs` are those of the whole training, `batches` is the function that
    counts the batches of an epoch, `accumulate` how many of them make a step of the optimizer. Any other
    attribute raises Unpackable, also when it is set: no AttributeError, for which a module might have a
    default of its own.
    """

    sanity_checking = barebones = False
    is_global_zero = True
    global_rank = local_rank = node_rank = 0
    world_size = num_nodes = num_devices = 1
    max_steps, min_steps, min_epochs = -1, None, None
    predicting = testing = False

    def __init__(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        data: L.LightningDataModule,
        epochs: int,
        batches: Callable[[], int],
        accumulate: int = 1,
    ) -> None:
        own = {
            "trainer": trainer,
            "max_epochs": epochs,
            "count": batches,
            "accumulate_grad_batches": accumulate,
        }
        parts = {"datamodule": data, "model": module, "lightning_module": module}
        # Past __setattr__, which refuses what a module sets.
        self.__dict__.update(own, **parts, global_step=0, callback_metrics={})

    def note(self, **values: Any) -> None:
        """Sets attributes; for the lane, not for its module."""
        self.__dict__.update(values)

    @property
    def current_epoch(self) -> int:
        """The epoch, counted from 0."""
        return int(self.__dict__["trainer"].current_epoch)

    @property
    def num_training_batches(self) -> int:
        """Batches of an epoch."""
        count: Callable[[], int] = self.__dict__["count"]
        return count()

    @property
    def estimated_stepping_batches(self) -> int:
        """Steps of the optimizer in the whole training."""
        steps = -(-self.num_training_batches // self.__dict__["accumulate_grad_batches"])
        return steps * int(self.__dict__["max_epochs"])

    @property
    def training(self) -> bool:
        """Whether the lane is in a training step."""
        return bool(self.__dict__["trainer"].training)

    @property
    def validating(self) -> bool:
        """Whether the lane is being validated."""
        return bool(self.__dict__["trainer"].validating)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unpackable(f"it uses trainer.{name}, which packs have not")

    def __setattr__(self, name: str, value: Any) -> None:
        raise Unpackable(f"it sets trainer.{name}, which packs have not")

    def __deepcopy__(self, memo: Mapping[int, Any]) -> "LaneTrainer":
        return self  # copies of a module ask the same Trainer
