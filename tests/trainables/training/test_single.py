"""Modules that are no Learner train unchanged, and a pause changes nothing."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spaces.lane import Lane
from tests.tiny import TinyNet
from trainables.training import checkpoint
from trainables.training.serialize import from_json, to_json
from trainables.training.setup import Setup
from trainables.training.single import from_state, to_state
from trainables.training.train import train

AUTOENCODER = "tests.foreign.autoencoder:LitAutoEncoder"
DIGITS = "tests.foreign.autoencoder:DigitsDataModule"
RATE = {"lr": 0.01}
WAVE, WAVES = "tests.foreign.schedules:Wave", "tests.foreign.schedules:Waves"
CASES = [
    (AUTOENCODER, DIGITS, "val_loss", {"dropout": 0.5}),
    ("tests.foreign.gan:Gan", DIGITS, "val_distance", {}),
    *(
        (WAVE, WAVES, "val_loss", {"schedule": s})
        for s in ("plateau", "one_cycle", "warm_cosine", "averaged")
    ),
]


def make_setup(module, data, objective, epochs=4):
    return Setup(module, data, options={}, seed=1, epochs=epochs, objective=objective)


def reports(setup, params, first, last, out, start=None, seed=3):
    """Reports of trial 5."""
    lane = Lane(5, params, seed=seed, start=start and str(start))
    return list(train(setup, [lane], first, last, str(out)))


@pytest.mark.slow
@pytest.mark.parametrize(("module", "data", "objective", "params"), CASES)
def test_a_pause_changes_nothing(module, data, objective, params, tmp_path):
    setup = make_setup(module, data, objective)
    files = [tmp_path / f"{name}.safetensors" for name in ("uninterrupted", "a", "b", "c")]
    uninterrupted = reports(setup, params, 0, 4, files[0])
    paused = reports(setup, params, 0, 1, files[1])
    paused += reports(setup, params, 1, 3, files[2], start=files[1])
    paused += reports(setup, params, 3, 4, files[3], start=files[2])
    assert [report.epoch for report in paused] == [1, 2, 3, 4]
    for expected, report in zip(uninterrupted, paused, strict=True):
        assert report.metrics == expected.metrics
    ends = [checkpoint.weights(files[number], 5) for number in (0, 3)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    first, last = uninterrupted[0].metrics[5], uninterrupted[-1].metrics[5]
    if "schedule" in params:
        assert first["lr"] != last["lr"], "without an effect the schedule proves nothing"


def test_schedules_span_all_epochs_at_every_rung(tmp_path):
    """If it spanned the rung only, one-cycle would be at its end after the first."""
    setup = make_setup(WAVE, WAVES, "val_loss", epochs=9)
    (report,) = reports(setup, {"schedule": "one_cycle", "lr": 1.0}, 0, 1, tmp_path / "c.safetensors")
    assert 0.04 < report.metrics[5]["lr"] < 0.5


@pytest.mark.parametrize("schedule", ["one_cycle", "warm_cosine", "plateau"])
def test_with_more_epochs_a_schedule_goes_on_at_its_new_place(schedule, tmp_path):
    params = {"schedule": schedule}
    whole = reports(
        make_setup(WAVE, WAVES, "val_loss", epochs=4), params, 0, 4, tmp_path / "whole.safetensors"
    )
    short, end = make_setup(WAVE, WAVES, "val_loss", epochs=2), tmp_path / "short.safetensors"
    before = reports(short, params, 0, 2, end)
    grown = reports(replace(short, epochs=4), params, 2, 4, tmp_path / "grown.safetensors", start=end)
    rates = [[report.metrics[5]["lr"] for report in these] for these in (whole, before + grown)]
    assert rates[1][2:] == pytest.approx(rates[0][2:], rel=1e-9)
    if schedule != "plateau":  # which knows no number of epochs
        assert rates[1][1] != pytest.approx(rates[0][1])
    again = reports(replace(short, epochs=4), params, 2, 3, tmp_path / "a.safetensors", start=end)
    again += reports(
        replace(short, epochs=4), params, 3, 4, tmp_path / "b.safetensors", start=tmp_path / "a.safetensors"
    )
    assert [report.metrics for report in again] == [report.metrics for report in grown]


def test_all_trials_see_the_same_split_and_batches(tmp_path):
    setup = make_setup("tests.foreign.recorder:BatchRecorder", DIGITS, "val_loss")

    def batches(seed, first, last, hidden=8, start=None):
        """Training and validation batches of the epochs from `first` to `last`."""
        params = {"record": str(tmp_path / "record.pt"), "hidden": hidden}
        reports(setup, params, first, last, tmp_path / f"{last}.safetensors", start, seed=seed)
        record = torch.load(tmp_path / "record.pt")
        return [
            [torch.cat(parts) for parts in zip(*record[split], strict=True)] for split in ("train", "val")
        ]

    def equal(one, other):
        return all(map(torch.equal, one, other))

    train, val = batches(1, 0, 2)
    for seed, hidden in ((2, 8), (1, 16)):
        other_train, other_val = batches(seed, 0, 2, hidden)
        assert equal(train, other_train)
        assert equal(val, other_val)
    first, second = zip(*(tensor.chunk(2) for tensor in train), strict=True)
    assert not equal(first, second)  # another order in each epoch
    assert sorted(map(bytes, first[0].numpy())) == sorted(map(bytes, second[0].numpy()))  # of the same images
    batches(1, 0, 1)
    after_a_pause, _ = batches(2, 1, 2, start=tmp_path / "1.safetensors")
    assert equal(after_a_pause, second)


@pytest.mark.parametrize("rungs", [(4,), (1, 4), (3, 4)])
def test_a_module_may_end_its_own_training(rungs, tmp_path):
    """Early stopping after the second epoch: its metrics stand for the remaining epochs."""
    setup = make_setup(WAVE, WAVES, "val_loss")
    epochs, start = [], None
    for first, last in zip((0, *rungs), rungs, strict=False):
        out = tmp_path / f"{last}.safetensors"
        epochs += reports(setup, {"patience": 1}, first, last, out, start)
        start = out
    assert [report.epoch for report in epochs] == [1, 2, 3, 4]
    assert epochs[0].metrics != epochs[1].metrics
    assert epochs[1].metrics == epochs[2].metrics == epochs[3].metrics
    assert [report.seconds > 0 for report in epochs] == [True, True, False, False]
    assert from_state(checkpoint.lane(start, 5))["epoch"] == 2


def test_callbacks_write_beside_the_checkpoint(tmp_path, monkeypatch):
    working_folder = tmp_path / "working"
    working_folder.mkdir()
    monkeypatch.chdir(working_folder)
    reports(make_setup(WAVE, WAVES, "val_loss"), {}, 0, 1, tmp_path / "c.safetensors")
    assert list((tmp_path / "trial-00005").rglob("*.ckpt"))
    assert not list(working_folder.iterdir())


def test_state_survives_json():
    value = {
        "a": [1, 2.5, None, True, "x", (1, 2), {3, 4}],
        7: {"t": torch.arange(3), (1, "b"): Counter({2: 5})},
        "n": np.float32(0.5),
        "array": np.arange(2),
        "inf": float("inf"),
    }
    tensors: list[torch.Tensor] = []
    plain = to_json(value, tensors, "checkpoint")
    back = from_json(json.loads(json.dumps(plain)), tensors)
    assert torch.equal(back[7].pop("t"), value[7].pop("t"))
    assert np.array_equal(back.pop("array"), value.pop("array"))
    assert back == value
    assert isinstance(back[7][(1, "b")], Counter)


def test_an_object_that_json_cannot_represent_is_named():
    with pytest.raises(
        ValueError, match=r"checkpoint\['a'\]\['b'\] is a PosixPath, which a checkpoint can't keep"
    ):
        to_json({"b": Path("x")}, [], "checkpoint['a']")


def test_other_objects_are_pickled_where_the_space_trusts_its_checkpoints():
    """They are read again only with the same trust; without them no trust is needed."""
    lightning = {"state_dict": {}, "kept": {"path": Path("a"), "count": 3}}
    state = to_state(lightning, trusts=True)
    assert from_state(state, trusts=True)["kept"] == {"path": Path("a"), "count": 3}
    with pytest.raises(ValueError, match="holds pickled objects"):
        from_state(state)
    plain = to_state({"state_dict": {}, "kept": 3}, trusts=True)
    assert "others" not in plain
    assert from_state(plain)["kept"] == 3


def test_a_search_goes_on_with_pickled_objects(tmp_path):
    setup = make_setup("tests.trainables.training.test_single:Keeper", "tests.tiny:TinyData", "val_loss")
    first = tmp_path / "1.safetensors"
    with pytest.raises(ValueError, match="trust_checkpoints: true in the space file"):
        reports(setup, RATE, 0, 1, first)
    trusting = replace(setup, trusts=True)
    reports(trusting, RATE, 0, 1, first)
    (report,) = reports(trusting, RATE, 1, 2, tmp_path / "2.safetensors", first)
    assert report.metrics[5]["kept"] == 1.0


class Keeper(TinyNet):
    """Keeps an object of its own in its checkpoint, and logs whether it has come back."""

    kept = None

    def on_save_checkpoint(self, checkpoint):
        checkpoint["kept"] = Path("a")

    def on_load_checkpoint(self, checkpoint):
        self.kept = checkpoint["kept"]

    def on_train_epoch_end(self):
        self.log("kept", float(self.kept == Path("a")))
