"""A batched step has as many PyTorch operations, each a launch on a GPU, however many its lanes."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainables.training.packs.groups import (
    CLASSIFIER,
    begin_validation,
    learner_group,
    module_group,
    train,
)

FEW, MANY = 8, 128


class Counter(TorchDispatchMode):
    """Counts the operations in its block."""

    count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        self.count += 1
        return operation(*arguments, **(keywords or {}))


def operations(group, contents):
    """Operations of a training step and of a batch of validation, both after the first."""
    train(group, contents[:1])
    with Counter() as training:
        train(group, contents[1:2], 1)
    begin_validation(group, contents)
    group.validate(contents[0], 0)
    with Counter() as validation:
        group.validate(contents[1], 1)
    assert group.batched
    assert group.validates_batched
    return training.count, validation.count


def classifiers(count):
    return learner_group(CLASSIFIER, count, stacked=True)


def modules(kind, trainer=None, **own):
    return lambda count: module_group(count, kind=kind, own=lambda _: own, trainer=trainer, stacked=True)


@pytest.mark.parametrize(
    "make",
    [
        classifiers,
        modules(torch.optim.AdamW, {"gradient_clip_val": 0.1}),
        modules(torch.optim.Adam, {"gradient_clip_val": 0.1, "gradient_clip_algorithm": "value"}),
        modules(torch.optim.SGD, {"gradient_clip_val": 0.1, "accumulate_grad_batches": 2}, momentum=0.9),
    ],
    ids=["learner", "adamw", "adam", "sgd"],
)
def test_operations_do_not_grow_with_the_lanes(make):
    few, many = operations(*make(FEW)), operations(*make(MANY))
    for one, other in zip(few, many, strict=True):
        assert 0 < other <= 1.1 * one
