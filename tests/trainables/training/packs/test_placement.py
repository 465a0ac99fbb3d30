"""On the meta device a tensor left on the CPU, or a value read back, fails: as both would slow a GPU down."""

import pytest
import torch

from tests.trainables.training.packs.groups import (
    AUTOENCODER,
    CLASSIFIER,
    SECTIONS,
    begin_validation,
    learner_group,
    module_group,
    train,
)
from trainables.training.packs.joint_update import JointUpdate
from trainables.training.packs.stacked_update import StackedUpdate

OTHERS = {"loss": "mse", "schedule": "one_cycle"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: learner_group(CLASSIFIER, 3, "meta"),
        lambda: learner_group(CLASSIFIER, 3, "meta", params={**OTHERS, "label_smoothing": 0.1}),
        lambda: learner_group(AUTOENCODER, 3, "meta"),
        lambda: learner_group(SECTIONS, 2, "meta"),
        lambda: module_group(3, "meta", trainer={"gradient_clip_val": 0.1}),
        lambda: module_group(3, "meta", kind=torch.optim.SGD, own=lambda n: {"momentum": n / 10}),
    ],
    ids=["classifier", "settings", "autoencoder", "slices", "module", "sgd"],
)
def test_a_step_and_validation_stay_on_the_device(make):
    group, contents = make()
    train(group, contents[:2])
    assert isinstance(group.steps.update, StackedUpdate)
    begin_validation(group, contents[:2])
    group.validate(contents[0], 0)
    assert group.batched
    assert group.validates_batched
    values = {**group.train_values.totals, **group.val_values.totals}
    assert {"train/loss", "val/loss"} <= values.keys() or {"train_loss", "val_loss"} <= values.keys()
    for tensor in (*values.values(), *group.stack.values()):
        assert tensor.device.type == "meta"


def test_a_fused_optimizer_has_the_counts_of_its_steps_on_the_device():
    """An optimizer that is not fused counts on the CPU, and a checkpoint keeps that."""
    group, _ = module_group(2, "meta")
    lanes = list(group.lanes.values())
    for lane in lanes:
        for parameter in lane.module.parameters():
            lane.optimizer.state[parameter] = {"step": torch.tensor(3.0)}
    JointUpdate(lanes, group.trained)
    for lane in lanes:
        states = [lane.optimizer.state[parameter] for parameter in lane.module.parameters()]
        assert {state["step"].device.type for state in states} == {"meta"}
