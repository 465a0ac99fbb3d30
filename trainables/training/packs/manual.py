"""What a module that optimizes manually finds at the Trainer of its lane: optimizers, schedulers, backward.

They are Lightning's own, so `self.optimizers()`, `self.manual_backward(...)`, `self.toggle_optimizer(...)`,
`self.clip_gradients(...)` and `self.lr_schedulers()` do what they do alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, final

from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import Strategy
from torch import Tensor, optim

from trainables.training.lightning_private import Scheduler, lightning_optimizers
from trainables.training.packs.lane_trainer import LaneTrainer, Unpackable


@final
class LaneStrategy:
    """Stands in for the strategy of a lane: that of the pack, with the optimizers of the lane.

    `before_backward` is called with each loss. Any other attribute raises Unpackable.
    """

    def __init__(
        self,
        strategy: Strategy,
        optimizers: list[LightningOptimizer],
        before_backward: Callable[[Tensor], None],
    ) -> None:
        self._strategy, self._lightning_optimizers = strategy, optimizers
        self._before_backward = before_backward

    def backward(self, loss: Tensor, optimizer: None, *arguments: Any, **options: Any) -> Tensor:
        """That of the pack."""
        self._before_backward(loss)
        return self._strategy.backward(loss, optimizer, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unpackable(f"it uses trainer.strategy.{name}, which packs have not")


def give_optimizers(
    trainer: LaneTrainer,
    optimizers: Sequence[optim.Optimizer],
    schedulers: Sequence[Scheduler],
    before_backward: Callable[[Tensor], None],
) -> None:
    """Gives the Trainer of a lane its optimizers and schedulers; each step of an optimizer counts there."""

    def count() -> None:
        trainer.note(global_step=trainer.global_step + 1)

    of_pack = trainer.trainer
    wrapped = lightning_optimizers(optimizers, of_pack.strategy, count)
    trainer.note(
        optimizers=list(optimizers),
        lr_scheduler_configs=list(schedulers),
        strategy=LaneStrategy(of_pack.strategy, wrapped, before_backward),
        precision_plugin=of_pack.precision_plugin,
        gradient_clip_val=None,  # Lightning refuses it for manual optimization
        gradient_clip_algorithm=None,
    )
