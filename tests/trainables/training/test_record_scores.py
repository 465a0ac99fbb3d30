"""The objective on each sample of a Learner, and on each batch of any other module."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanSquaredError
from torchmetrics.classification import BinaryAUROC

from tests.trainables.training.measured import Line
from trainables.projects.parts import Parts
from trainables.training.evaluate import validate
from trainables.training.setup import Setup

X = torch.linspace(-1, 1, 10)[:, None]


class Data(L.LightningDataModule):
    """Ten points in batches of 4, 4 and 2."""

    def __init__(self, shuffle: bool = False) -> None:
        super().__init__()
        self.shuffle = shuffle

    def test_dataloader(self):
        return DataLoader(TensorDataset(X, X**2), batch_size=4, shuffle=self.shuffle)


class Logging(L.LightningModule):
    """Predicts zero; logs what its argument names."""

    def __init__(self, objective: str) -> None:
        super().__init__()
        self.objective = objective
        self.rmse, self.auc, self.updated = MeanSquaredError(squared=False), BinaryAUROC(), MeanSquaredError()

    def validation_step(self, batch, batch_idx):
        x, y = batch
        errors = y.square().mean(1)
        if self.objective == "mse":
            self.log_dict({"mse": errors.mean(), "other": x.mean()})
        elif self.objective == "both":
            self.log("both", errors.mean(), on_step=True, on_epoch=True)
        elif self.objective == "rmse":
            self.rmse(torch.zeros_like(y), y)
            self.log("rmse", self.rmse)
        elif self.objective == "auc":
            self.auc(x[:, 0], (y[:, 0] > 0.3).long())
            self.log("auc", self.auc)
        elif self.objective == "updated":
            self.updated.update(torch.zeros_like(y), y)
            self.log("updated", self.updated)

    def on_validation_epoch_end(self):
        if self.objective == "late":
            self.log("late", 1.0)


def scored(module, objective, **data):
    setup = Setup("", "", {}, 0, 1, objective)
    return validate(Parts(module, Data(**data)), setup)


def test_each_sample_of_a_learner_is_recorded():
    module = Line()
    found = scored(module, "val/loss")
    assert found.samples.unit == "sample" and found.samples.sizes.tolist() == [1] * 10
    expected = module.metrics((X, X**2))["loss"].detach().numpy()
    assert found.samples.scores == pytest.approx(expected, rel=1e-5)
    assert found.test == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("objective", ["mse", "both", "rmse"])
def test_each_batch_of_another_module_is_recorded(objective):
    found = scored(Logging(objective), objective)
    expected = [(part**4).mean().item() for part in X.split(4)]
    values = found.samples.scores**2 if objective == "rmse" else found.samples.scores
    assert found.samples.sizes.tolist() == [4, 4, 2]
    assert values == pytest.approx(expected, rel=1e-5)
    assert found.samples.combined == ("root" if objective == "rmse" else "mean")
    assert found.samples.linearized().mean() == pytest.approx(found.test, rel=1e-5)


@pytest.mark.parametrize("objective", ["auc", "updated", "late"])
def test_an_objective_that_batches_do_not_make_up_is_not_recorded(objective):
    assert scored(Logging(objective), objective).samples is None


def test_shuffled_samples_are_not_recorded():
    assert scored(Line(), "val/loss", shuffle=True).samples is None
