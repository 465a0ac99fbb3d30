"""ModuleLane: any LightningModule in a pack.

It takes the steps of Lightning's loop in Lightning's order: `training_step`, gradients, clipping, the
optimizer, the schedulers, and the hooks of epochs. In manual optimization `training_step` does all of it but
the hooks. `packable.py` tells which modules it can take.
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from torch import Tensor, optim
from torchmetrics import Metric

from trainables.training import checkpoint
from trainables.training.first_batches import FirstBatches
from trainables.training.latency import positional
from trainables.training.lightning_private import Scheduler, optimizers_and_schedulers
from trainables.training.longer_schedules import put_back, stepped
from trainables.training.packs.catcher import EVALUATION, TRAINING, Catcher, catching
from trainables.training.packs.clipping import Clip
from trainables.training.packs.lane import PackedLane, Template
from trainables.training.packs.lane_callbacks import LaneStopping
from trainables.training.packs.lane_modules import replace_dropout
from trainables.training.packs.lane_trainer import LaneTrainer, Unpackable
from trainables.training.packs.logged import Logged
from trainables.training.packs.manual import give_optimizers
from trainables.training.packs.template import ModuleTemplate
from trainables.training.single import from_state, to_state

PACKED = "packed"  # entry of the checkpoint of a lane that was trained in a pack


@final
class ModuleLane(PackedLane):
    """A LightningModule of any author. `data_key` is equal for lanes that see the same batches.

    `options` are arguments of the Trainer that `packable.py` lets through; `measure` and `trusts` as in
    SingleFit.
    """

    same_draws = True  # the seed of an epoch is that of all trials

    has_hooks = True

    def __init__(
        self,
        module: L.LightningModule,
        data: L.LightningDataModule,
        *,
        data_key: Hashable,
        batch_seed: int,
        options: Mapping[str, Any],
        measure: tuple[str, ...] = (),
        trusts: bool = False,
    ) -> None:
        self.module, self.data, self.data_key = module, data, data_key
        self.manual = not module.automatic_optimization
        self.observed = FirstBatches(measure) if self.manual else None
        self.batch_seed, self.trusts = batch_seed, trusts
        self.accumulate = int(options.get("accumulate_grad_batches") or 1)
        if limit := options.get("gradient_clip_val"):
            self.clip = Clip(float(limit), options.get("gradient_clip_algorithm") or "norm")
        self.stopping, self.validates = LaneStopping(options, module), False
        self.schedulers: list[Scheduler] = []
        # Of torchmetrics, that were logged in this epoch: those that compute its values, and all.
        self.metrics: dict[str, Metric] = {}
        self.updated: dict[str, Metric] = {}

    def likeness(self) -> Hashable:
        module = self.module
        if self.manual:
            return (type(module), self.data_key)
        shapes = tuple((name, p.shape, p.requires_grad) for name, p in module.named_parameters())
        return (type(module), repr(module), shapes, self.data_key, self.accumulate)

    def template(self, lanes: Sequence[PackedLane]) -> Template:
        return ModuleTemplate(lanes, self.training_loss, self.evaluate)

    def setup(self, trainer: LaneTrainer, asked: bool) -> None:
        if asked:  # for the module, or for the epochs of the training
            raise Unpackable("the setup of its data asks the Trainer")
        self.trainer = self.module.trainer = trainer  # type: ignore[assignment]
        self.module.prepare_data()
        self.module.setup("fit")
        self.module.configure_model()
        if not self.manual:  # PyTorch's dropout can't be batched
            replace_dropout(self.module)

    def configure(self, start: Path | None, number: int) -> None:
        # In Lightning's order: hooks and optimizers may depend on the weights.
        state = from_state(checkpoint.lane(start, number), self.trusts) if start else None
        if state:
            self.module.on_load_checkpoint(state)
            self.module.load_state_dict(state["state_dict"])
        optimizers, self.schedulers = optimizers_and_schedulers(self.module)
        if not optimizers:
            raise Unpackable("its configure_optimizers returns no optimizer")
        self.optimizer, *self.further_optimizers = optimizers
        if self.manual:
            give_optimizers(self.trainer, optimizers, self.schedulers, self._before_backward)
        elif any(one.reduce_on_plateau and one.interval == "step" for one in self.schedulers):
            raise Unpackable("a scheduler watches a metric at each step")
        else:  # a joint optimizer steps in its place (steps.py), which schedulers would warn of
            self.optimizer._opt_called = True  # type: ignore[attr-defined]
        self.module.on_fit_start()
        if state:
            self._restore_training(state)

    def _restore_training(self, state: Mapping[str, Any]) -> None:
        """Restores the optimizers, the schedulers and the count of the steps."""
        schedulers = [one.scheduler for one in self.schedulers]
        longer = state.get("epochs") != self.trainer.max_epochs
        further = stepped(schedulers, state["lr_schedulers"]) if longer else []
        for optimizer, own in zip(self.optimizers, state["optimizer_states"], strict=True):
            optimizer.load_state_dict(own)
        for scheduler, own in zip(schedulers, state["lr_schedulers"], strict=True):
            scheduler.load_state_dict(own)
        put_back(further)
        self.stopping.restore(state.get("callbacks", {}))  # an earlier version's has none
        self.trainer.note(global_step=state["global_step"])

    def state(self) -> checkpoint.State:
        lightning = {
            "state_dict": self.module.state_dict(),
            "optimizer_states": [own_state_dict(optimizer) for optimizer in self.optimizers],
            "lr_schedulers": [one.scheduler.state_dict() for one in self.schedulers],
            "callbacks": self.stopping.state(),
            "epoch": self.trainer.current_epoch,
            "global_step": self.trainer.global_step,
            "ended": self.final_metrics,
            "epochs": self.trainer.max_epochs,
            PACKED: True,
        }
        self.module.on_save_checkpoint(lightning)
        return to_state(lightning, self.trusts)

    def begin_training(self) -> None:
        self.module.on_train_start()

    def begin_epoch(self) -> None:
        self.epoch_logs: dict[str, float] = {}
        self._hook("on_train_epoch_start")

    def training_loss(self, module: Any, batch: Any, index: int) -> Tensor:
        output = call_step(module.training_step, batch, index)
        loss = output.get("loss") if isinstance(output, Mapping) else output
        if not isinstance(loss, Tensor):
            raise Unpackable("its training_step returns no loss")
        return loss

    def evaluate(self, module: Any, batch: Any, index: int) -> None:
        """The validation step of the module of this lane or a copy of it."""
        call_step(module.validation_step, batch, index)

    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        with catching(self.module, TRAINING, batch) as catcher:
            loss = self.training_loss(self.module, batch, index)
        self._keep_metrics(catcher)
        return loss, catcher.logged

    def manual_step(self, batch: Any, index: int) -> Logged:
        assert self.observed
        trainer: Any = self.trainer
        trainer.note(is_last_batch=index + 1 == trainer.num_training_batches)
        self.observed.on_train_batch_start(trainer, self.module, batch, index)
        try:
            with catching(self.module, TRAINING, batch) as catcher:
                call_step(self.module.training_step, batch, index)
        finally:
            self.observed.on_train_batch_end(trainer, self.module, None, batch, index)
        self._keep_metrics(catcher)
        return catcher.logged

    def _before_backward(self, loss: Tensor) -> None:
        assert self.observed
        trainer: Any = self.trainer
        self.observed.on_before_backward(trainer, self.module, loss)

    def before_step(self, progress: float) -> None:
        pass  # schedulers set the rate

    def after_step(self, index: int) -> None:
        self.trainer.note(global_step=self.trainer.global_step + 1)
        self._schedule("step", index)

    def begin_validation(self, batches: Iterable[Any], validates: bool) -> None:
        self._schedule("epoch", self.trainer.current_epoch)
        self.validates = validates
        if validates:
            self._hook("on_validation_epoch_start")

    def validate(self, batch: Any, index: int) -> Logged:
        with catching(self.module, EVALUATION, batch) as catcher:
            self.evaluate(self.module, batch, index)
        self._keep_metrics(catcher)
        return catcher.logged

    def end_validation(self) -> None:
        self._hook("on_validation_epoch_end")

    def end_epoch(self, values: Mapping[str, float]) -> dict[str, float]:
        metrics = dict(values)
        self.trainer.note(callback_metrics={name: torch.tensor(value) for name, value in metrics.items()})
        self._hook("on_train_epoch_end")
        for name, metric in self.metrics.items():
            self.epoch_logs[name] = float(metric.compute())
        for metric in self.updated.values():
            metric.reset()
        self.metrics, self.updated = {}, {}
        metrics |= self.epoch_logs
        self.ends = self.stopping.ends(self.trainer.current_epoch, metrics, self.validates)
        metrics["lr"] = float(self.optimizer.param_groups[0]["lr"])
        self._schedule("epoch", self.trainer.current_epoch, metrics)
        return metrics

    def _keep_metrics(self, catcher: Catcher) -> None:
        self.metrics |= catcher.metrics
        self.updated |= catcher.updated

    def _hook(self, name: str) -> None:
        """Calls a hook of an epoch and keeps what it logs."""
        with catching(self.module, EVALUATION) as catcher:
            getattr(self.module, name)()
        self._keep_metrics(catcher)
        self.epoch_logs |= {name: float(value) for name, value in catcher.values.items()}

    def _schedule(self, interval: str, index: int, metrics: Mapping[str, float] | None = None) -> None:
        """Steps the schedulers of an interval: with `metrics` those that watch one, else the others.

        The steps of a manual module step its schedulers.
        """
        if self.manual:
            return
        for one in self.schedulers:
            if one.interval != interval or (index + 1) % one.frequency:
                continue
            scheduler: Any = one.scheduler
            if one.reduce_on_plateau and metrics is not None:
                scheduler.step(metrics[str(one.monitor)])
            elif not one.reduce_on_plateau and metrics is None:
                scheduler.step()


def call_step(step: Any, batch: Any, index: int) -> Any:
    """Calls a step with as many of batch, number of the batch and number of the loader as it takes."""
    return step(*(batch, index, 0)[: positional(step)])


def own_state_dict(optimizer: optim.Optimizer) -> dict[str, Any]:
    """The state of an optimizer without that of other lanes, which a joint optimizer adds."""
    shared, own = optimizer.state, [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.state = type(shared)(dict, {p: shared[p] for p in own if p in shared})
    state = optimizer.state_dict()
    optimizer.state = shared
    return state


def continues(path: Path, number: int) -> bool:
    """Whether a lane in a checkpoint was trained in a pack, not by Lightning's own loop, and has not ended.

    Raises ValueError if the file can't be read.
    """
    rest = checkpoint.entry(path, number, "rest")
    try:
        state = {} if rest is None else json.loads(rest.numpy().tobytes())
    except ValueError:  # it is damaged; Lightning's loop raises the error that says so
        return False
    return PACKED in state and state["ended"] is None
