"""ModuleTemplate: the steps of the lanes of any LightningModule, for a batched model.

Only tensors differ between the lanes of a batched step. So the template has no other attribute in which its
lanes differ: a step that reads one raises AttributeError, now or at a later epoch, and the lanes train
sequentially. Lists, dicts and sets can't be changed, for a step would leave tensors of `vmap` in them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, final

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from trainables.training.packs.catcher import EVALUATION, TRAINING, Catcher
from trainables.training.packs.lane import PackedLane, Template
from trainables.training.packs.lane_modules import LaneDropout, join_settings
from trainables.training.packs.logged import Logged
from trainables.training.packs.recorded import Unread

Step = Callable[[Any, Any, int], Any]
MACHINERY = {*vars(nn.Module()), *vars(L.LightningModule())} - {"_hparams"}  # attributes of every module


@final
class ModuleTemplate(Template):
    """The steps of any of these lanes: `loss_of` and `evaluate` take a module, a batch and its number."""

    def __init__(self, lanes: Sequence[PackedLane], loss_of: Step, evaluate: Step) -> None:
        super().__init__()
        self.loss_of, self.evaluate = loss_of, evaluate
        self.catcher: Catcher | None = None
        modules = [lane.module for lane in lanes]
        self.module: Any = join_settings(modules)
        self.module.trainer = modules[0].trainer  # which copies of a module lack
        for name, part in list(self.module.named_modules()):
            if isinstance(part, Metric):
                parent, _, child = name.rpartition(".")
                self.module.get_submodule(parent)._modules[child] = UnusableMetric(name)
            elif not isinstance(part, LaneDropout):
                keep_common(part, [module.get_submodule(name) for module in modules])
        self.module.log = self.log

    def loss(self, batch: Any, index: int) -> tuple[Tensor, Logged]:
        catcher = self.catcher = Catcher(TRAINING, batch)
        try:
            loss = self.loss_of(self.module, batch, index)
        finally:
            self.catcher = None
        return loss, catcher.logged

    def validate(self, batch: Any, index: int) -> Logged:
        catcher = self.catcher = Catcher(EVALUATION, batch)
        try:
            self.evaluate(self.module, batch, index)
        finally:
            self.catcher = None
        return catcher.logged

    @contextmanager
    def steps_unread(self) -> Iterator[None]:
        trainer = self.module.trainer
        before = trainer.global_step
        trainer.note(global_step=Unread())
        try:
            yield
        finally:
            trainer.note(global_step=before)

    def log(self, *values: Any, **options: Any) -> None:
        """Stands in for the `log` of the module: the catcher of the current step takes the call."""
        assert self.catcher is not None, "only a step logs"
        self.catcher.log(*values, **options)


@final
class UnusableMetric(nn.Module):
    """Stands in for a metric of torchmetrics, whose state changes in place: a step that uses it fails."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *values: Any, **options: Any) -> Any:
        raise RuntimeError(f"a step updates the metric {self.name} of torchmetrics, which can't be batched")

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name.startswith("_") else self.forward()


def keep_common(part: nn.Module, lanes: Sequence[nn.Module]) -> None:
    """Deletes the attributes of a module that differ between lanes, and makes containers constant."""
    attributes = vars(part)
    for name in list(attributes):
        if name in MACHINERY:
            continue
        values = [vars(lane).get(name) for lane in lanes]
        if name == "_hparams":
            attributes[name] = common_entries(attributes[name], values)
        elif all(same(values[0], value) for value in values[1:]):
            attributes[name] = constant(attributes[name])
        else:
            del attributes[name]


def common_entries(hparams: Any, values: Sequence[Any]) -> Any:
    """The hyperparameters in which lanes agree, of the same type."""
    first = values[0]
    agreed = [key for key in first if all(key in other and same(first[key], other[key]) for other in values)]
    return type(hparams)({key: hparams[key] for key in agreed})


def same(one: Any, other: Any) -> bool:
    """Whether two values are surely equal."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and bool(torch.equal(one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        return bool(one == other)
    except Exception:  # a value that can't be compared
        return False


def constant(value: Any) -> Any:
    """A value whose lists, dicts and sets can't be changed."""
    if type(value) is list:
        return tuple(map(constant, value))
    if type(value) is dict:
        return MappingProxyType({key: constant(entry) for key, entry in value.items()})
    return frozenset(value) if type(value) is set else value
