"""Callbacks of the Trainer in a pack: each lane ends its training as alone; others are left out, or named."""

from dataclasses import replace

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from spaces.lane import Lane
from trainables.training.build import make_parts
from trainables.training.fits import alone_reason, make_fits, single_fit, verified_parts
from trainables.training.packs.pack import PackFit
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup
from trainables.training.train import train

EPOCHS = 6
STOPPING = "lightning.pytorch.callbacks.EarlyStopping"
WAYS = {
    "threshold": {"stopping_threshold": 1.2},
    "patience": {"min_delta": 0.25, "patience": 1},
    "after validation": {"stopping_threshold": 1.2, "check_on_train_epoch_end": False},
}


class OwnCheckpoint(ModelCheckpoint):
    """May do anything."""


def setup_of(*callbacks, **changes):
    trainer = {"callbacks": [{"class_path": path, "init_args": options} for path, options in callbacks]}
    module, data = "tests.foreign.variety:Base", "tests.foreign.loaders:DigitsDataModule"
    setup = Setup(module, data, {}, seed=3, epochs=EPOCHS, objective="val_loss", trainer=trainer)
    return replace(setup, **changes)


def stopping(way, **changes):
    return setup_of((STOPPING, {"monitor": "val_loss", **WAYS[way]}), **changes)


LANES = [Lane(number, {"lr": lr}, seed=number) for number, lr in enumerate((3e-2, 1e-2, 3e-3, 1e-3))]


def alone(setup, lane, folder):
    """The metrics of each epoch under Lightning alone."""
    fit = single_fit(setup, lane, make_parts(setup, lane, folder), folder)
    return [report.metrics[lane.number] for report in run_fit(fit, setup.ranking, 0, EPOCHS, None)]


def paused(setup, folder, rungs):
    """The metrics of each epoch by lane, in a job for each rung."""
    lanes, done, epochs = LANES, 0, []
    for rung in rungs:
        out = folder / f"{rung}.safetensors"
        epochs += [report.metrics for report in train(setup, lanes, done, rung, str(out))]
        lanes, done = [replace(lane, start=str(out)) for lane in LANES], rung
    return epochs


@pytest.mark.parametrize("rungs", [(EPOCHS,), (1, 2, 3, 4, 5, 6), (3, 6)], ids=str)
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_each_lane_ends_its_training_as_alone(way, batched, rungs, tmp_path):
    setup = stopping(way, batched=batched)
    epochs = paused(setup, tmp_path, rungs)
    assert len(epochs) == EPOCHS
    trained = []
    for lane in LANES:
        expected = alone(setup, lane, tmp_path)
        for one, of_lanes in zip(expected, epochs, strict=True):
            assert of_lanes[lane.number] == pytest.approx(one, rel=2e-4)
        trained.append(len({metrics["val_loss"] for metrics in expected}))
    assert len(set(trained)) > 2  # they end in different epochs
    assert (max(trained) == EPOCHS) == (way != "patience")  # and some of them not


def test_a_pack_ends_with_its_last_lane(tmp_path):
    setup = stopping("patience")
    (fit,), _ = make_fits(setup, LANES, tmp_path)
    reports = list(run_fit(fit, setup.ranking, 0, EPOCHS, tmp_path / "out.safetensors"))
    assert isinstance(fit, PackFit)
    assert not fit.lanes
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[-1].seconds == 0.0
    assert reports[-1].metrics == reports[-2].metrics


@pytest.mark.parametrize("way", WAYS)
def test_a_trial_alone_that_ends_at_a_rung_has_ended(way, tmp_path):
    setup, (lane, *_) = stopping(way), LANES
    whole, epochs, start = alone(setup, lane, tmp_path), [], None
    for rung in range(1, EPOCHS + 1):
        out = tmp_path / f"{rung}.safetensors"
        resumed = replace(lane, start=start)
        fit = single_fit(setup, resumed, make_parts(setup, resumed, tmp_path), tmp_path)
        epochs += [report.metrics[0] for report in run_fit(fit, setup.ranking, rung - 1, rung, out)]
        start = str(out)
    assert epochs == [pytest.approx(metrics) for metrics in whole]
    assert whole[-1] == whole[-2]


def test_the_best_epoch_of_a_lane_that_has_ended_is_kept(tmp_path):
    setup = stopping("patience")
    *_, last = train(setup, LANES, 0, EPOCHS, str(tmp_path / "best.safetensors"), keep_best=True)
    for lane in LANES:
        losses = [metrics["val_loss"] for metrics in alone(setup, lane, tmp_path)]
        assert last.best[lane.number] == 1 + losses.index(min(losses))


def test_callbacks_that_packs_leave_out_are_named(tmp_path):
    folder = "lightning.pytorch.callbacks"
    setup = setup_of(
        (f"{folder}.ModelCheckpoint", {"dirpath": str(tmp_path / "own")}),
        (f"{folder}.LearningRateMonitor", {}),
    )
    (fit,), note = make_fits(setup, LANES, tmp_path)
    assert isinstance(fit, PackFit)
    assert note == (
        "packs leave out ModelCheckpoint (Ladder keeps a checkpoint of each trial), "
        "LearningRateMonitor (the learning rate is a metric of each trial, lr)"
    )
    assert {report.epoch for report in run_fit(fit, setup.ranking, 0, 2, None)} == {1, 2}
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    "path", ["lightning.pytorch.callbacks.BackboneFinetuning", f"{__name__}.OwnCheckpoint"]
)
def test_a_lane_with_another_callback_trains_alone(path, tmp_path):
    setup, lane = setup_of((path, {})), LANES[0]
    reason = alone_reason(setup, verified_parts(setup, [lane], tmp_path)[0])
    assert f"packs do not honour the callback {path.rpartition('.')[2]} of the Trainer" in reason
