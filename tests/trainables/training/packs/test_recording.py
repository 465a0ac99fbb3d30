"""Recorded steps: the same training, as long as the batches fit, and only of steps that may be recorded.

Without a GPU a "recorded" call runs its function again, on the same tensors.
"""

import random
from math import inf

import pytest
import torch

from tests.trainables.training.packs.groups import CLASSIFIER, Tuned, learner_group, module_group, train
from trainables.training.packs.lane import TrainBatch
from trainables.training.packs.recorded import RecordedPass, Unread, layout
from trainables.training.packs.recording import record_step
from trainables.training.packs.stacked_update import StackedUpdate

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
KINDS = {
    "learners": lambda **options: learner_group(CLASSIFIER, 3, DEVICE, **options),
    "modules": lambda **options: module_group(3, DEVICE, **options),
    "clipped": lambda **options: module_group(3, DEVICE, trainer={"gradient_clip_val": 0.1}, **options),
    "one": lambda **options: module_group(1, DEVICE, **options),
}


def run_again(function):
    """Stands for a recorded call: its results are in the same tensors each time."""
    first = []

    def call():
        results = function()
        if results is not None:
            first[:] = first or [results]
            for own, new in zip(values_of(first[0]), values_of(results), strict=True):
                own.copy_(new)
            return first[0]
        return None

    return call


def values_of(results):
    """The tensors of a pass."""
    gradients, logged = results
    return [*gradients.values(), *(logged.values.values() if logged else ())]


def recorded(make, best=inf, **options):
    """A group that records its steps if it may, and its batches."""
    group, contents = make(batched=None, stacked=True, **({} if GPU else {"record": run_again}), **options)
    record_step(group, TrainBatch(0, 0.0, contents[0], last=False), best)
    group.batched = True
    return group, contents


def weights(group):
    """The parameters and buffers of all lanes, and the state of their optimizers."""
    for lane in group.lanes.values():
        yield from lane.module.state_dict().items()
        for state in lane.optimizer.state.values():
            yield from sorted(state.items())


def assert_trains_as(group, other, contents, change=lambda group: None):
    """The group trains as the other, in two epochs whose last batch is smaller."""
    contents = [*contents[:-1], [part[:3] for part in contents[-1]]]
    before = [value.clone() for _, value in weights(group)]
    for one in (group, other):
        torch.manual_seed(0)
        train(one, contents)
        change(one)
        one.begin_epoch()
        train(one, contents)
    assert not all(map(torch.equal, before, (value for _, value in weights(group))))
    for (name, mine), (_, theirs) in zip(weights(group), weights(other), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6, msg=name)
    for name, total in group.train_values.totals.items():
        torch.testing.assert_close(total, other.train_values.totals[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_group_trains_as_one_that_is_not(kind):
    group, contents = recorded(KINDS[kind])
    other, _ = KINDS[kind](batched=None, stacked=True, record=run_again)
    other.batched = True
    assert group.records
    assert_trains_as(group, other, contents)
    assert group.records
    assert isinstance(group.steps.update, StackedUpdate)
    assert group.steps.update.recorded


def test_recording_changes_nothing():
    group, contents = recorded(KINDS["learners"], best=0.0)
    before = [value.clone() for _, value in weights(group)], torch.get_rng_state()
    record_step(group, TrainBatch(0, 0.0, contents[0], last=False), inf)
    assert group.records
    assert all(map(torch.equal, before[0], (value for _, value in weights(group))))
    assert torch.equal(before[1], torch.get_rng_state())


def test_lanes_leave_and_the_others_go_on():
    group, contents = recorded(KINDS["learners"])
    other, _ = KINDS["learners"](stacked=True)
    assert_trains_as(group, other, contents, lambda one: one.drop(frozenset({1})))
    assert group.records
    assert group.recorded


def test_a_single_lane_that_is_left_is_recorded():
    group, contents = recorded(KINDS["modules"])
    other, _ = KINDS["modules"](stacked=True)
    for one in (group, other):
        for lane in one.lanes.values():
            lane.module.net[3].p.zero_()  # `vmap` draws dropout in another way than a lane alone
    assert_trains_as(group, other, contents, lambda one: one.drop(frozenset({0, 2})))
    assert group.batched
    assert not other.batched


def test_a_momentum_that_begins_later_is_recorded_anew():
    options = {"kind": torch.optim.SGD, "own": lambda n: {"momentum": 0.0}}
    group, contents = recorded(lambda **given: module_group(2, DEVICE, **options, **given))
    other, _ = module_group(2, DEVICE, stacked=True, **options)

    def change(one):
        for lane in one.lanes.values():
            lane.optimizer.param_groups[0]["momentum"] = 0.9

    assert_trains_as(group, other, contents, change)


class Index(Tuned):
    """Reads the number of its batch."""

    def training_step(self, batch, batch_idx):
        return (1 + batch_idx) * super().training_step(batch, batch_idx)


class FirstOnly(Tuned):
    """Compares the number of its batch."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (2 if batch_idx == 0 else 1)


class Warm(Tuned):
    """Reads the number of steps made."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * min(1.0, (1 + self.global_step) / 100)


class Mixed(Tuned):
    """Draws a number on the CPU."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * random.uniform(0.5, 1.0)


def test_lanes_that_add_up_gradients_are_not_recorded():
    group, _ = recorded(
        lambda **options: module_group(2, DEVICE, trainer={"accumulate_grad_batches": 2}, **options)
    )
    assert not group.records


@pytest.mark.parametrize("module", [Index, FirstOnly, Warm, Mixed])
def test_a_step_that_depends_on_numbers_of_python_is_not_recorded(module):
    group, contents = recorded(lambda **options: module_group(3, DEVICE, module=module, **options))
    assert not group.records
    assert group.recorded is None
    train(group, contents)
    assert group.first.trainer.global_step == len(contents)


class Annealed(Tuned):
    """Its loss has a weight that a hook changes at each epoch."""

    weight = 1.0

    def on_train_epoch_start(self):
        self.weight = self.weight / 2

    def training_step(self, batch, batch_idx):
        return self.weight * super().training_step(batch, batch_idx)


def test_an_attribute_that_a_hook_changes_is_seen():
    make = lambda **options: module_group(3, DEVICE, module=Annealed, **options)  # noqa: E731
    group, contents = recorded(make)
    other, _ = make(stacked=True)
    assert group.records
    assert_trains_as(group, other, contents)


def test_a_recorded_step_must_be_faster():
    group, _ = recorded(KINDS["learners"], best=0.0)
    assert not group.records
    assert group.recorded is None


def test_a_batch_must_be_as_the_recorded_one():
    x, y = torch.ones(4, 2), torch.zeros(4)
    call = RecordedPass(lambda content, index: ({"w": content["x"].sum()[None]}, None), {"x": x}, run_again)
    assert call.takes({"x": x + 1})
    for other in ({"x": x[:3]}, {"x": x.double()}, {"x": x.T.contiguous().T}, {"y": x}, [x], (x, y)):
        assert not call.takes(other)
    gradients, _ = call.gradients({"x": x + 1})
    assert gradients["w"].item() == 16
    with pytest.raises(ValueError, match="a batch holds str"):
        layout({"x": x, "path": "a.png"})


@pytest.mark.parametrize(
    "read", [int, float, bool, str, repr, hash, range, lambda n: n == 0, lambda n: n % 2, lambda n: [1][n]]
)
def test_a_number_that_must_not_be_read_raises(read):
    with pytest.raises((ValueError, TypeError)):
        read(Unread())
