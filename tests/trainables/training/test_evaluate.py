"""The best epoch is kept, and scored on the test split, for any module."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from spaces.lane import Lane
from tests.tiny import TinyData
from trainables.training import checkpoint
from trainables.training.evaluate import has_test, on_test_split, score
from trainables.training.setup import Setup
from trainables.training.train import train


class Scripted(L.LightningModule):
    """Its weight is the number of epochs trained; its loss on a batch of `x` is `(weight - best)**2 + x`."""

    def __init__(self, best: float) -> None:
        super().__init__()
        self.best = best
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return -self.weight

    def validation_step(self, batch, batch_idx):
        (x,) = batch
        self.log("val_loss", (self.weight - self.best) ** 2 + x.mean(), batch_size=len(x))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Staged(L.LightningDataModule):
    """Makes each split in the stage that needs it, and scales batches after their transfer to the device."""

    def setup(self, stage):
        if stage in ("fit", "validate"):
            self.fit = TensorDataset(torch.zeros(1))
        if stage == "test":
            self.held_out = TensorDataset(torch.tensor([1.0, 2.0, 6.0]))

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return [x * 10 for x in batch]

    def train_dataloader(self):
        return DataLoader(self.fit)

    def val_dataloader(self):
        return DataLoader(self.fit)

    def test_dataloader(self):
        return DataLoader(self.held_out, batch_size=2)


def setup(mode: str = "min") -> Setup:
    module = __name__
    return Setup(f"{module}:Scripted", f"{module}:Staged", {}, 0, 5, "val_loss", mode=mode)


@pytest.mark.parametrize(("mode", "best", "epoch"), [("min", 2.0, 2), ("min", 9.0, 5), ("max", 4.0, 1)])
def test_the_best_epoch_is_kept_and_scored(tmp_path, mode, best, epoch):
    path, lane = str(tmp_path / "c.safetensors"), Lane(7, {"best": best}, seed=0)
    reports = list(train(setup(mode), [lane], 0, 5, path, keep_best=True))
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5]
    assert reports[-1].best == {7: epoch}
    assert checkpoint.weights(tmp_path / "c.safetensors", 7)["weight"] == epoch
    found = score(setup(mode), [lane], path)[7]
    assert found.test == (epoch - best) ** 2 + 30
    assert (found.samples.unit, found.samples.sizes.tolist()) == ("batch", [2, 1])
    assert (found.samples.scores - (epoch - best) ** 2).tolist() == [15, 60]
    list(train(setup(mode), [lane], 0, 5, path))
    assert checkpoint.weights(tmp_path / "c.safetensors", 7)["weight"] == 5


def test_each_lane_of_a_pack_keeps_its_own_best(tmp_path):
    """The same epoch as if it trained alone."""
    digits = Setup(
        "trainables.mnist.classifier:Classifier",
        "trainables.mnist.data:MnistData",
        {},
        seed=0,
        epochs=4,
        objective="val/loss",
        batch_seed=3,
    )
    params = {"widths": "16", "batch_size": 256, "schedule": "constant"}
    lanes = [Lane(n, params | {"lr": lr}, seed=1) for n, lr in enumerate((0.1, 0.01))]
    pack = list(train(digits, lanes, 0, 4, str(tmp_path / "pack"), keep_best=True))
    for lane in lanes:
        losses = [report.metrics[lane.number]["val/loss"] for report in pack]
        assert pack[-1].best[lane.number] == losses.index(min(losses)) + 1
        path = str(tmp_path / f"{lane.number}")
        alone = list(train(digits, [lane], 0, 4, path, keep_best=True))
        assert alone[-1].best[lane.number] == pack[-1].best[lane.number]
        packed = score(digits, [lane], str(tmp_path / "pack"))[lane.number].test
        assert packed == pytest.approx(score(digits, [lane], path)[lane.number].test, rel=1e-3)


def test_a_lane_that_diverged_is_not_kept(tmp_path):
    path, lane = tmp_path / "c.safetensors", Lane(7, {"best": float("nan")}, seed=0)
    (report,) = train(setup(), [lane], 0, 5, str(path), keep_best=True)
    assert (report.diverged, report.best) == ({7}, {})
    assert not path.exists()


class SameAsValidation(TinyData):
    """Its test split is its validation split."""

    def test_dataloader(self):
        return self.val_dataloader()


def test_a_test_split_may_be_the_validation_split():
    data = SameAsValidation()
    before = dict(vars(data))
    with on_test_split(data):
        for _ in range(2):
            assert data.val_dataloader().dataset is data.points
    assert vars(data) == before


def test_only_some_data_has_a_test_split():
    assert has_test(Staged)
    assert not has_test(TinyData)
