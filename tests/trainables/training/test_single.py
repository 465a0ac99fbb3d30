"""Modules that are not ours: trained as their authors wrote them, and a pause changes nothing."""

from pathlib import Path

import pytest
import torch

from trainables.training import checkpoint
from trainables.training.serialize import apart, whole
from trainables.training.single import read
from trainables.training.train import Lane, Setup, train

AUTOENCODER = "tests.foreign.autoencoder:LitAutoEncoder"
DIGITS = "tests.foreign.autoencoder:DigitsDataModule"
WAVE, WAVES = "tests.foreign.schedules:Wave", "tests.foreign.schedules:Waves"
CASES = [
    (AUTOENCODER, DIGITS, "val_loss", {"dropout": 0.5}),
    ("tests.foreign.gan:Gan", DIGITS, "val_distance", {}),
    *(
        (WAVE, WAVES, "val_loss", {"schedule": s})
        for s in ("plateau", "one_cycle", "warm_cosine", "averaged")
    ),
]


def setup(module, data, objective, epochs=4):
    return Setup(module, data, options={}, seed=1, epochs=epochs, objective=objective)


def trained(plan, params, first, last, out, start=None, seed=3):
    lane = Lane(5, params, seed=seed, start=start and str(start))
    return list(train(plan, [lane], first, last, str(out)))


@pytest.mark.parametrize(("module", "data", "objective", "params"), CASES)
def test_a_pause_changes_nothing(module, data, objective, params, tmp_path):
    plan = setup(module, data, objective)
    files = [tmp_path / f"{name}.safetensors" for name in ("whole", "a", "b", "c")]
    uninterrupted = trained(plan, params, 0, 4, files[0])
    paused = trained(plan, params, 0, 1, files[1])
    paused += trained(plan, params, 1, 3, files[2], start=files[1])
    paused += trained(plan, params, 3, 4, files[3], start=files[2])
    assert [epoch.epoch for epoch in paused] == [1, 2, 3, 4]
    for one, other in zip(uninterrupted, paused, strict=True):
        assert other.metrics == one.metrics
    ends = [checkpoint.weights(files[number], 5) for number in (0, 3)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    first, last = uninterrupted[0].metrics[5], uninterrupted[-1].metrics[5]
    if "schedule" in params:
        assert first["lr"] != last["lr"], "a schedule that does nothing would prove nothing"


def test_schedulers_see_the_whole_training_at_every_rung(tmp_path):
    """One-cycle would be at its end after the first rung if it were laid out over the rung."""
    plan = setup(WAVE, WAVES, "val_loss", epochs=9)
    (epoch,) = trained(plan, {"schedule": "one_cycle", "lr": 1.0}, 0, 1, tmp_path / "c.safetensors")
    assert 0.04 < epoch.metrics[5]["lr"] < 0.5


def test_all_trials_see_the_same_split_and_batches(tmp_path):
    plan = setup(AUTOENCODER, DIGITS, "val_loss")
    seen = []
    for seed, hidden in ((1, 8), (2, 8), (1, 16)):
        trained(plan, {"lr": 1e-9, "hidden": hidden}, 0, 1, tmp_path / "c.safetensors", seed=seed)
        seen.append(torch.rand(1).item())  # the state of the generator that the loader drew from
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("rungs", [(4,), (1, 4), (3, 4)])
def test_a_module_may_end_its_own_training(rungs, tmp_path):
    """Early stopping after the second epoch: the last values stand for the epochs that are left."""
    plan = setup(WAVE, WAVES, "val_loss")
    epochs, start = [], None
    for first, last in zip((0, *rungs), rungs, strict=False):
        out = tmp_path / f"{last}.safetensors"
        epochs += trained(plan, {"patience": 1}, first, last, out, start)
        start = out
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    assert epochs[0].metrics != epochs[1].metrics
    assert epochs[1].metrics == epochs[2].metrics == epochs[3].metrics
    assert [epoch.seconds > 0 for epoch in epochs] == [True, True, False, False]
    assert read(start, 5)["epoch"] == 2


def test_callbacks_write_beside_the_checkpoint(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    trained(setup(WAVE, WAVES, "val_loss"), {}, 0, 1, tmp_path / "c.safetensors")
    assert list((tmp_path / "trial-00005").rglob("*.ckpt"))
    assert not list(here.iterdir())


def test_what_checkpoints_hold_comes_back_as_it_was():
    from collections import Counter

    import numpy as np

    value = {
        "a": [1, 2.5, None, True, "x", (1, 2), {3, 4}],
        7: {"t": torch.arange(3), (1, "b"): Counter({2: 5})},
        "n": np.float32(0.5),
        "array": np.arange(2),
        "inf": float("inf"),
    }
    tensors: list[torch.Tensor] = []
    plain = apart(value, tensors, "checkpoint")
    back = whole(plain, tensors)
    assert torch.equal(back[7].pop("t"), value[7].pop("t"))
    assert np.array_equal(back.pop("array"), value.pop("array"))
    assert back == value
    assert isinstance(back[7][(1, "b")], Counter)


def test_what_is_not_plain_is_named():
    with pytest.raises(
        ValueError, match=r"checkpoint\['a'\]\['b'\] is a PosixPath, which a checkpoint can't keep"
    ):
        apart({"b": Path("x")}, [], "checkpoint['a']")
