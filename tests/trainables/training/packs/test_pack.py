"""Packs: how lanes are grouped, how they leave, and which checkpoints they start from."""

from dataclasses import replace

import lightning as L
import pytest
import torch

from spaces.lane import Lane
from trainables.losses import Loss, mse
from trainables.training.batches import Batches
from trainables.training.build import build
from trainables.training.packs.group import Group
from trainables.training.packs.lane_modules import LaneDropout, LaneLoss, join_settings
from trainables.training.packs.learner_lane import LearnerLane
from trainables.training.packs.pack import group_lanes
from trainables.training.setup import Setup
from trainables.training.train import train

DIGITS = Setup(
    "trainables.mnist.classifier:Classifier",
    "trainables.mnist.data:MnistData",
    {"source": "digits", "net": "mlp"},
    seed=0,
    epochs=3,
    objective="val/accuracy",
)
PARAMS = {"lr": 1e-2, "batch_size": 64, "widths": "16", "norm": "none", "dropout": 0.0}


def lanes(*changes):
    return [Lane(number, PARAMS | change, seed=number) for number, change in enumerate(changes)]


def configured(lanes):
    packed = {lane.number: LearnerLane(*build(DIGITS, lane)) for lane in lanes}
    for number, lane in packed.items():
        lane.configure(None, number)
    return packed


def metrics(reports):
    return [report.metrics for report in reports]


def test_equal_lanes_share_a_group():
    mixed = lanes(
        {}, {"dropout": 0.4}, {"widths": "8"}, {"loss": "mse"}, {"batch_size": 32}, {"label_smoothing": 0.1}
    )
    assert [sorted(group.lanes) for group in group_lanes(configured(mixed))] == [[0, 1, 3, 5], [2], [4]]


def test_parameters_of_learners_are_views_of_the_stack():
    group = Group(configured(lanes({}, {}, {})))
    for index, lane in enumerate(group.lanes.values()):
        for name, parameter in lane.module.named_parameters():
            row = group.stack[name][index]
            assert row.data_ptr() == parameter.data_ptr()
            assert torch.equal(row, parameter)


@pytest.mark.parametrize("batched", [True, False])
def test_a_lane_that_diverges_does_not_change_the_others(batched, tmp_path):
    setup = replace(DIGITS, batched=batched)
    diverging = {"lr": 1e30, "eps": 1e-30, "loss": "mse", "schedule": "constant"}
    three = lanes({"loss": "linf"}, diverging, {"loss": "cross_entropy", "lr": 1e-3})
    reports = list(train(setup, three, 0, 3, str(tmp_path / "three.safetensors")))
    assert reports[0].diverged == {1}
    assert [set(report.metrics) for report in reports[1:]] == [{0, 2}] * 2
    for lane in (three[0], three[2]):
        alone = train(setup, [lane], 0, 3, str(tmp_path / "alone.safetensors"))
        for one, other in zip(metrics(reports), metrics(alone), strict=True):
            assert one[lane.number]["train/loss"] == pytest.approx(other[lane.number]["train/loss"], rel=1e-4)


def test_lanes_come_from_several_checkpoints(tmp_path):
    four = lanes({}, {"lr": 1e-3}, {"widths": "8"}, {"lr": 3e-3})
    uninterrupted = list(train(DIGITS, four, 0, 3, str(tmp_path / "uninterrupted.safetensors")))
    for name, part in (("a", four[:2]), ("b", four[2:])):
        list(train(DIGITS, part, 0, 1, str(tmp_path / f"{name}.safetensors")))
    chosen = [
        replace(four[1], start=str(tmp_path / "a.safetensors")),
        replace(four[2], start=str(tmp_path / "b.safetensors")),
    ]
    rest = list(train(DIGITS, chosen, 1, 3, str(tmp_path / "rest.safetensors")))
    for one, other in zip(uninterrupted[1:], rest, strict=True):
        for lane in chosen:
            assert other.metrics[lane.number]["val/loss"] == pytest.approx(
                one.metrics[lane.number]["val/loss"], rel=1e-4
            )


def test_lanes_that_do_not_fit_in_memory_train_in_parts(tmp_path):
    five = lanes(*[{"lr": 10 ** (-3 + i / 4)} for i in range(5)])
    at_once = list(train(DIGITS, five, 0, 2, str(tmp_path / "once.safetensors")))
    state = sum(tensor.nbytes for tensor in build(DIGITS, five[0])[0].state_dict().values())
    small = replace(DIGITS, pack_memory=8 * state * 2)
    in_parts = list(train(small, five, 0, 2, str(tmp_path / "parts.safetensors")))
    for one, other in zip(at_once, in_parts, strict=True):
        assert one.note is None
        assert "fit in memory" in other.note
        assert set(one.metrics) == set(other.metrics) == {0, 1, 2, 3, 4}
        for number in one.metrics:
            assert one.metrics[number]["val/loss"] == pytest.approx(
                other.metrics[number]["val/loss"], rel=1e-4
            )
    resumed = replace(five[4], start=str(tmp_path / "parts.safetensors"))
    assert len(list(train(DIGITS, [resumed], 2, 3, str(tmp_path / "c.safetensors")))) == 1
    assert not list(tmp_path.glob("*.part*"))


def test_dropout_of_a_lane_keeps_the_mean():
    torch.manual_seed(0)
    dropout = LaneDropout(0.25)
    x = torch.ones(100_000)
    y = dropout(x)
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(dropout.eval()(x), x)


def test_losses_of_other_lanes_do_not_change_the_gradient():
    functions = {"root": lambda prediction, target: prediction.sqrt().sum(1), "mse": mse}
    prediction = torch.zeros(4, 3, requires_grad=True)  # where the derivative of a root is infinite
    target = torch.ones(4, 3)
    losses = LaneLoss([Loss("mse", functions), Loss("root", functions)])(prediction, target)
    assert torch.equal(losses, mse(prediction, target))
    losses.sum().backward()
    assert torch.allclose(prediction.grad, torch.full((4, 3), -2 / 3))


@pytest.mark.parametrize("rates, active", [((0.0, 0.0), [False]), ((0.0, 0.5), [True])])
def test_dropout_is_skipped_only_if_no_lane_has_any(rates, active):
    packed = configured(lanes(*[{"dropout": rate} for rate in rates]))
    joined = join_settings([lane.module for lane in packed.values()])
    assert [m.active for m in joined.modules() if isinstance(m, LaneDropout)] == active


SECTIONS = Setup(
    "trainables.slices.xception:SliceRegressor",
    "trainables.slices.sections.data:SliceData",
    {"backbone": "resnet10t", "image_size": 32, "train": 32, "val": 16},
    seed=0,
    epochs=2,
    objective="val/distance_um",
)


@pytest.mark.slow
@pytest.mark.parametrize("setup, metric", [(DIGITS, "val/accuracy"), (SECTIONS, "val/distance_um")])
def test_lightning_trains_a_learner_as_a_pack_does(setup, metric, tmp_path):
    """Lightning's own loop and the pack give the same losses."""
    setup = replace(setup, mixed_precision=False)
    lane = Lane(0, {"lr": 1e-3, "batch_size": 16}, seed=0)
    *_, last = train(setup, [lane], 0, 2, str(tmp_path / "c.safetensors"))
    learner, data = build(setup, lane)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(max_epochs=2, enable_checkpointing=False, num_sanity_val_steps=0, **quiet)
    trainer.fit(learner, datamodule=data)
    for name in ("train/loss", "val/loss", metric):
        assert float(trainer.callback_metrics[name]) == pytest.approx(last.metrics[0][name], rel=1e-4), name


def test_batches_are_made_in_full_precision():
    a, b = torch.rand(2, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (made,) = Batches(lambda indices, generator: a @ b, count=1, batch_size=1)
        assert (a @ b).dtype is torch.bfloat16
    assert torch.equal(made, a @ b)


def test_batch_norm_is_recalibrated_with_the_current_weights():
    learner, data = build(SECTIONS, Lane(0, {"batch_size": 16}, seed=0))
    batches = list(data.train_dataloader())
    weights = [parameter.clone() for parameter in learner.parameters()]
    (first,) = [m for m in learner.modules() if isinstance(m, torch.nn.BatchNorm2d)][:1]
    inputs = []
    first.register_forward_hook(lambda module, arguments, output: inputs.append(arguments[0]))
    learner.recalibrate_batch_norm(batches)
    assert torch.allclose(first.running_mean, torch.cat(inputs).mean(dim=(0, 2, 3)), atol=1e-5)
    assert first.momentum == 0.1
    assert not learner.training
    assert all(map(torch.equal, weights, learner.parameters()))


def test_the_batches_that_recalibrate_batch_norm_are_made_once_for_all_lanes():
    group = Group({n: LearnerLane(*build(SECTIONS, Lane(n, {"batch_size": 16}, seed=n))) for n in range(3)})
    batches = list(group.first.data.train_dataloader())
    made = []
    group.begin_validation((made.append(batch) or batch for batch in batches), True)
    assert len(made) == len(batches) > 1
    for lane in group.lanes.values():
        (first,) = [m for m in lane.module.modules() if isinstance(m, torch.nn.BatchNorm2d)][:1]
        assert first.num_batches_tracked == len(batches)
