"""Catcher: what a module logs in one of its hooks, caught before it reaches Lightning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torchmetrics import Metric

from trainables.training.packs.lane_trainer import Unpackable
from trainables.training.packs.logged import Logged, Rule

TRAINING, EVALUATION = (True, False), (False, True)  # defaults of on_step and on_epoch, by the hook
REDUCTIONS = {"mean": "mean", "avg": "mean", "sum": "sum", "min": "min", "max": "max"}


@final
class Catcher:
    """Takes the calls of `LightningModule.log` in one hook.

    `levels` are the defaults of on_step and on_epoch, `batch` is the one of the hook, None if it has none.
    """

    def __init__(self, levels: tuple[bool, bool], batch: Any) -> None:
        self.levels, self.batch = levels, batch
        self.values: dict[str, Tensor] = {}
        self.rules: dict[str, Rule] = {}
        self.metrics: dict[str, Metric] = {}  # that compute the value of the epoch
        self.updated: dict[str, Metric] = {}  # all, to be reset after the epoch

    @property
    def logged(self) -> Logged:
        """The values."""
        return Logged(self.values, self.rules)

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: str | Callable[[Any], Any] = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        metric_attribute: str | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Has the arguments of `LightningModule.log`. Raises Unpackable for a reduction of another name."""
        on_step = self.levels[0] if on_step is None else on_step
        on_epoch = self.levels[1] if on_epoch is None else on_epoch
        if isinstance(value, Metric):
            self._take_metric(name, value, on_step, on_epoch)
            return
        reduction = reduce_fx if isinstance(reduce_fx, str) else getattr(reduce_fx, "__name__", "")
        if reduction not in REDUCTIONS:
            raise Unpackable(f"it logs {name!r} with the reduction {reduction!r}")
        reduce = REDUCTIONS[reduction]
        tensor = value if isinstance(value, Tensor) else torch.tensor(float(value))
        if tensor.numel() != 1:
            raise ValueError(f"self.log({name!r}, ...) got {tensor.numel()} values, but logs one")
        if batch_size is None and on_epoch and reduce == "mean" and self.batch is not None:
            batch_size = extract_batch_size(self.batch)
        rule = Rule(float(1 if batch_size is None else batch_size), reduce, on_step, on_epoch)
        self._take(name, tensor.detach().reshape(()), rule)

    def _take_metric(self, name: str, metric: Metric, on_step: bool, on_epoch: bool) -> None:
        """Takes a metric of torchmetrics, which computes its value of the epoch itself."""
        self.updated[name] = metric
        latest = metric._forward_cache  # the value of the step, which Lightning logs too
        if self.levels == TRAINING and on_step and isinstance(latest, Tensor):
            rule = Rule(on_step=True, on_epoch=False)
            self._take(f"{name}_step" if on_epoch else name, latest.detach().reshape(()), rule)
        if on_epoch:
            for of_epoch in (name, f"{name}_epoch") if on_step else (name,):
                self.metrics[of_epoch] = metric

    def _take(self, name: str, value: Tensor, rule: Rule) -> None:
        """Takes a value. Lightning keeps no values of the steps of an evaluation."""
        if self.levels == TRAINING or not rule.on_step:
            self.values[name], self.rules[name] = value, rule
        elif rule.on_epoch:
            for of_epoch in (name, f"{name}_epoch"):
                self.values[of_epoch], self.rules[of_epoch] = value, replace(rule, on_step=False)


@contextmanager
def catching(module: L.LightningModule, levels: tuple[bool, bool], batch: Any = None) -> Iterator[Catcher]:
    """Context manager: catches what a module logs in the block."""
    catcher = Catcher(levels, batch)
    module.log = catcher.log  # type: ignore[method-assign]
    try:
        yield catcher
    finally:
        del module.log
