"""A compiled batched step: the same training, as long as the code fits, and only where it pays."""

import shutil
from math import inf

import pytest
import torch

from tests.trainables.training.packs.groups import Tuned, module_group, train
from trainables.training.packs.compiling import PAYS_FROM, compile_step
from trainables.training.packs.lane import TrainBatch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("g++"), reason="PyTorch compiles with g++, which is not there"),
]
LONG = 10**12  # steps to come


class Scaled(Tuned):
    """Its loss has a weight that a hook may change."""

    weight = 1.0

    def training_step(self, batch, batch_idx):
        return self.weight * super().training_step(batch, batch_idx)


class Short(Tuned):
    """A kind of step of its own."""


class Broken(Tuned):
    """Its step does what the compiler does not take."""

    def training_step(self, batch, batch_idx):
        torch._dynamo.graph_break()
        return super().training_step(batch, batch_idx)


def compiled(count=4, module=Tuned, left=LONG):
    """A group that has compiled its step if it may, and its batches."""
    group, batches = module_group(count, module=module)
    compile_step(group, TrainBatch(0, 0.0, batches[0], last=False), best=inf, left=left)
    return group, batches


def weights(group):
    """The parameters of all lanes."""
    return {name: tensor.clone() for name, tensor in group.stack.items()}


def assert_trains_as(group, batches, *, module=Tuned, change=lambda group: None):
    """The group trains as one that is not compiled, with a last batch that is smaller."""
    other, _ = module_group(len(group.lanes), module=module)
    batches = [*batches[:-1], [part[:3] for part in batches[-1]]]
    for one in (group, other):
        torch.manual_seed(0)
        change(one)
        train(one, batches)
    for name, tensor in weights(group).items():
        torch.testing.assert_close(tensor, weights(other)[name], rtol=1e-4, atol=1e-6)


def test_a_compiled_group_trains_as_one_that_is_not():
    group, batches = compiled()
    before = weights(group)
    assert group.compiled
    assert_trains_as(group, batches)
    assert group.compiled, "a last batch of another size is no reason against it"
    assert all(
        not torch.equal(before[name], tensor)
        for name, tensor in weights(group).items()
        if name in group.trained
    )


def test_the_code_of_one_group_serves_the_next():
    compiled()
    group, batches = compiled(left=0)
    assert group.compiled
    assert_trains_as(group, batches)


def test_lanes_that_leave_do_not_change_the_others():
    group, batches = compiled()
    other, _ = module_group(4)
    for one in (group, other):
        torch.manual_seed(0)
        train(one, batches[:2])
        one.drop(frozenset({1}))
        train(one, batches[2:], first=2)
    for name, tensor in weights(group).items():
        torch.testing.assert_close(tensor, weights(other)[name], rtol=1e-4, atol=1e-6)


def test_a_step_that_reads_a_changed_attribute_is_not_compiled_any_more():
    def change(group):
        for lane in group.lanes.values():
            lane.module.weight = 0.5
        group.templates = {}  # as after a hook

    group, batches = compiled(module=Scaled)
    assert group.compiled
    assert_trains_as(group, batches, module=Scaled, change=change)
    assert not group.compiled


def test_a_step_that_the_compiler_does_not_take_stays_as_it_is():
    group, batches = compiled(module=Broken)
    assert not group.compiled
    assert_trains_as(group, batches, module=Broken)


def test_a_short_job_compiles_nothing():
    group, batches = module_group(4, module=Short)
    batch = TrainBatch(0, 0.0, batches[0], last=False)
    compile_step(group, batch, best=0.9 * PAYS_FROM, left=1)
    assert not group.compiled
