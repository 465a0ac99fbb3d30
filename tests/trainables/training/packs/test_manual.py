"""Lanes with manual optimization train as under Lightning alone, one after the other on shared batches."""

from dataclasses import replace

import pytest

from spaces.lane import Lane
from spaces.metrics import MEASURED
from tests.trainables.training.packs.test_module_lane import EPOCHS, alone, assert_equal, together
from trainables.training.fits import alone_reason, verified_parts
from trainables.training.setup import Setup
from trainables.training.train import train

WHERE = "tests.foreign.manual"
NAMES = ["DrawingGan", "ClosureGan", "Accumulates", "Schedules"]


def setup_of(name):
    where = WHERE
    return Setup(
        f"{where}:{name}", f"{where}:DigitsDataModule", {}, seed=3, epochs=EPOCHS, objective="val_loss"
    )


def lanes(name):
    """Three; the GANs have other widths, and are in the same group."""
    return [
        Lane(number, {"lr": lr, **({"width": 8 * (1 + number)} if "Gan" in name else {})}, seed=number)
        for number, lr in enumerate((1e-2, 3e-3, 1e-3))
    ]


@pytest.mark.parametrize("precision", [None, "bf16-mixed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_lane_trains_as_lightning_trains_it_alone(name, precision, tmp_path):
    setup = replace(setup_of(name), trainer={"precision": precision} if precision else {})
    epochs, (group,) = together(setup, lanes(name), tmp_path)
    assert group.obstacle == "they optimize manually"
    for lane in lanes(name):
        for expected, got in zip(alone(setup, lane, tmp_path), epochs, strict=True):
            assert_equal(expected, got[lane.number])


def test_metrics_are_measured_as_under_lightning(tmp_path):
    setup = replace(setup_of("Measured"), further_metrics=MEASURED)
    epochs, _ = together(setup, lanes("Measured"), tmp_path)
    for lane in lanes("Measured"):
        (expected, _), got = alone(setup, lane, tmp_path), epochs[0][lane.number]
        assert got["model/latency_ms"] > 0
        assert got["model/memory_mb"] == expected["model/memory_mb"] > 0
        assert got["model/params"] == expected["model/params"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pause_changes_nothing(name, tmp_path):
    setup = setup_of(name)
    whole = list(train(setup, lanes(name), 0, 2, str(tmp_path / "whole.safetensors")))
    list(train(setup, lanes(name), 0, 1, str(tmp_path / "first.safetensors")))
    rest = [replace(lane, start=str(tmp_path / "first.safetensors")) for lane in lanes(name)][1:]
    (last,) = train(setup, rest, 1, 2, str(tmp_path / "last.safetensors"))
    for lane in rest:
        assert last.metrics[lane.number] == whole[-1].metrics[lane.number]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("AsksStrategy", "it uses trainer.strategy.barrier"),
        ("Asks", "it uses trainer.logger"),
        ("Hooks", "it overrides on_before_optimizer_step"),
    ],
)
def test_what_a_lane_has_not_is_named(name, reason, tmp_path):
    setup = setup_of(name)
    parts = verified_parts(setup, lanes(name)[:1], tmp_path)[0]
    assert reason in alone_reason(setup, parts)
