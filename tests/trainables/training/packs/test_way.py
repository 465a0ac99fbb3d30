"""Validation is batched only where each lane gets the values that it has alone."""

import pytest
import torch

from tests.trainables.training.packs.groups import (
    CLASSIFIER,
    Tuned,
    begin_validation,
    learner_group,
    module_group,
    train,
)
from trainables.training.packs.own_draws import put
from trainables.training.packs.way import TRIED_BYTES, TRIED_FROM, validate_first, worth_trying


class Draws(Tuned):
    """Draws random numbers in its validation."""

    def validation_step(self, batch, batch_idx):
        super().validation_step([batch[0] + torch.randn_like(batch[0]), batch[1]], batch_idx)


class Keeps(Tuned):
    """Keeps the last batch."""

    def validation_step(self, batch, batch_idx):
        self.last = self.net(batch[0])
        super().validation_step(batch, batch_idx)


class Looks(Tuned):
    """Looks at a value."""

    def validation_step(self, batch, batch_idx):
        if self.net(batch[0]).sum() < 1e9:
            super().validation_step(batch, batch_idx)


class Late(Tuned):
    """Looks at one from the second batch on."""

    def validation_step(self, batch, batch_idx):
        if batch_idx == 0 or self.net(batch[0]).sum() < 1e9:
            super().validation_step(batch, batch_idx)


def values(group):
    """The values of the epoch by lane."""
    return group.val_values.take()


def expected(group, contents):
    """Those of each lane alone, of the first two batches."""
    for index in range(2):
        for row, lane in enumerate(group.lanes.values()):
            group.val_values.add(lane.validate(contents[index], index), row)
    return values(group)


def assert_equal(one, other):
    assert len(one) == len(other) > 1
    for mine, theirs in zip(one, other, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
        assert mine


@pytest.mark.parametrize("module", [Tuned, Keeps, Looks, Late])
def test_lanes_have_the_values_that_they_have_alone(module):
    group, contents = module_group(3, module=module)
    begin_validation(group, contents)
    alone = expected(group, contents)
    group.validates_batched = None
    validate_first(group, contents[0], 0, fixed=True)
    assert group.validates_batched == (module in (Tuned, Late))
    group.validate(contents[1], 1)
    assert group.validates_batched == (module is Tuned)
    assert_equal(values(group), alone)


def test_learners_have_the_values_that_they_have_alone():
    group, contents = learner_group(CLASSIFIER, 3)
    begin_validation(group, contents)
    alone = expected(group, contents)
    group.validates_batched = None
    validate_first(group, contents[0], 0, fixed=False)
    assert group.validates_batched is not None  # by the time
    group.validates_batched = True
    group.validate(contents[1], 1)
    assert group.validates_batched
    assert_equal(values(group), alone)


def test_lanes_that_draw_are_validated_one_by_one():
    group, contents = module_group(3, module=Draws)
    begin_validation(group, contents)
    for row, lane in enumerate(group.lanes.values()):
        put(group.draws[row])  # each draws as if it were alone
        for index in range(2):
            group.val_values.add(lane.validate(contents[index], index), row)
    alone = values(group)
    validate_first(group, contents[0], 0, fixed=True)
    group.validate(contents[1], 1)
    assert group.validates_batched is False
    assert_equal(values(group), alone)


@pytest.mark.parametrize("change", ["buffer", "shape"])
def test_lanes_whose_tensors_no_longer_fit_go_on_one_by_one(change):
    group, contents = module_group(3)
    train(group, contents[:2])
    for lane in group.lanes.values():
        if change == "buffer":
            lane.module.register_buffer("more", torch.zeros(()))
        else:
            lane.module.net[3].p = torch.zeros(1)
    group.begin_epoch()
    train(group, contents[2:3], 2)
    begin_validation(group, contents)
    group.validate(contents[0], 0)
    assert group.batched is False
    assert group.validates_batched is False
    assert group.obstacle.endswith("when training began")


@pytest.mark.parametrize("device, tried", [("cpu", False), ("meta", True)])
def test_few_or_large_batches_are_validated_one_by_one_on_a_cpu(device, tried):
    group, contents = module_group(2, device)
    assert worth_trying(group, contents[0], TRIED_FROM)
    assert worth_trying(group, contents[0], TRIED_FROM - 1) == tried
    large = torch.empty(TRIED_BYTES // 8 + 1, device=device)
    assert worth_trying(group, large, TRIED_FROM) == tried
