"""The stacked update steps each lane as the optimizer of the lane does."""

import pytest
import torch

from tests.trainables.training.packs.groups import SECTIONS, learner_group, module_group, train
from trainables.training import checkpoint
from trainables.training.packs.joint_update import JointUpdate
from trainables.training.packs.stacked_update import StackedUpdate

KINDS = {
    "adamw": (torch.optim.AdamW, lambda n: {"betas": (0.8 + n / 50, 0.99 + n / 500), "weight_decay": n / 10}),
    "adam": (torch.optim.Adam, lambda n: {"eps": 10.0 ** (n - 8), "weight_decay": n / 10}),
    "plain adam": (torch.optim.Adam, lambda n: {}),
    "sgd": (torch.optim.SGD, lambda n: {"weight_decay": n / 10}),
    "momentum": (torch.optim.SGD, lambda n: {"momentum": 0.7 + n / 10, "weight_decay": n / 10}),
    "nesterov": (torch.optim.SGD, lambda n: {"momentum": 0.7 + n / 10, "nesterov": True}),
}
CLIPS = [
    {},
    {"gradient_clip_val": 0.1},
    {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    {"accumulate_grad_batches": 4},
]


def tensors(group):
    """Parameters and state of the optimizers of all lanes."""
    for lane in group.lanes.values():
        for name, parameter in lane.module.named_parameters():
            yield name, parameter.detach()
            for key, value in sorted(lane.optimizer.state[parameter].items()):
                yield f"{name}/{key}", value


def assert_equal(one, other, tolerance=1e-6):
    """Equal to the tolerance times the norm of each tensor."""
    compared = 0
    for (name, mine), (_, theirs) in zip(tensors(one), tensors(other), strict=True):
        assert mine.shape == theirs.shape
        assert mine.stride() == theirs.stride()
        assert (mine - theirs).norm() <= tolerance * theirs.norm(), name
        compared += 1
    assert compared


def both(count=3, **options):
    """The same group, with a stacked and with a joint update, and its batches."""
    (stacked, contents), (joint, _) = (module_group(count, stacked=way, **options) for way in (True, False))
    for group in (stacked, joint):
        for lane in group.lanes.values():
            lane.module.net[3].p.zero_()  # no dropout
    return stacked, joint, contents


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("trainer", CLIPS)
def test_it_steps_as_the_optimizers_of_the_lanes(name, trainer):
    kind, own = KINDS[name]
    stacked, joint, contents = both(kind=kind, own=own, trainer=trainer)
    before = [value.clone() for _, value in tensors(stacked)]
    for group in (stacked, joint):
        train(group, contents)
    assert isinstance(stacked.steps.update, StackedUpdate)
    assert isinstance(joint.steps.update, JointUpdate)
    assert not all(map(torch.equal, before, (value for _, value in tensors(stacked))))
    assert_equal(stacked, joint)


def test_moments_have_the_layout_of_channels_last_weights():
    groups = []
    for way in (True, False):
        group, contents = learner_group(SECTIONS, 2, params={"dropout": 0.0}, stacked=way)
        train(group, contents)
        groups.append(group)
    lane = groups[0].first
    assert any(not lane.optimizer.state[p]["exp_avg"].is_contiguous() for p in lane.module.parameters())
    assert_equal(*groups, 1e-5)  # as batch norm scales rounding errors up


def test_momentum_may_begin_later():
    kind, own = KINDS["sgd"]
    stacked, joint, contents = both(kind=kind, own=own)
    for group in (stacked, joint):
        train(group, contents[:2])
        for lane in group.lanes.values():
            lane.optimizer.param_groups[0]["momentum"] = 0.9
        train(group, contents[2:], 2)
    assert_equal(stacked, joint)


@pytest.mark.parametrize("name", ["adamw", "momentum"])
def test_lanes_leave_and_the_others_go_on(name):
    kind, own = KINDS[name]
    stacked, joint, contents = both(4, kind=kind, own=own)
    for group in (stacked, joint):
        train(group, contents[:3])
        group.drop(frozenset({1, 2}))
        train(group, contents[3:], 3)
    assert isinstance(stacked.steps.update, StackedUpdate)
    assert_equal(stacked, joint)


def test_lanes_go_on_one_by_one_within_a_step():
    kind, own = KINDS["adamw"]
    stacked, joint, contents = both(kind=kind, own=own, trainer={"accumulate_grad_batches": 3})
    for group in (stacked, joint):
        train(group, contents[:4])
        group.train_sequentially(ValueError("for a test"))
        train(group, contents[4:], 4)
    assert_equal(stacked, joint)


@pytest.mark.parametrize("name", ["adamw", "momentum"])
def test_a_lane_is_restored_from_either(name, tmp_path):
    kind, own = KINDS[name]
    stacked, _, contents = both(kind=kind, own=own)
    path = tmp_path / "lanes.safetensors"
    train(stacked, contents[:3])
    checkpoint.save(path, {number: lane.state() for number, lane in stacked.lanes.items()})
    restored = both(kind=kind, own=own, start=path)[:2]
    for group in restored:
        train(group, contents[3:], 3)
    train(stacked, contents[3:], 3)
    for group in restored:
        assert_equal(group, stacked)


@pytest.mark.parametrize(
    "kind, own, trainer",
    [
        (torch.optim.RMSprop, lambda n: {}, {}),
        (torch.optim.Adam, lambda n: {"amsgrad": n == 1}, {}),
        (torch.optim.AdamW, lambda n: {"maximize": True}, {}),
        (torch.optim.SGD, lambda n: {"momentum": 0.9, "nesterov": n == 1}, {}),
        (torch.optim.SGD, lambda n: {"momentum": 0.9, "dampening": 0.1}, {}),
    ],
)
def test_other_optimizers_are_stepped_one_by_one(kind, own, trainer):
    stacked, joint, contents = both(kind=kind, own=own, trainer=trainer)
    for group in (stacked, joint):
        train(group, contents)
    assert isinstance(stacked.steps.update, JointUpdate)
    assert_equal(stacked, joint)


def test_the_default_follows_the_device():
    for device, kind in (("cpu", JointUpdate), ("meta", StackedUpdate)):
        group, _ = module_group(2, device)
        assert isinstance(group.steps.update, kind)
