"""What a run has found, used without the run: exported files, and the same training outside any search."""

import csv
import shutil
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from results import open_run
from search.config import resolve
from search.export import export
from search.run import start
from tests.search.test_cli import SMALL, TINY_SPACE
from trainables import byname
from trainables.__main__ import CLI
from trainables.mnist.classifier import Classifier

SMALL_SEARCH = ["name=r", "engine=local", "trials=3", "epochs=3", "lanes=1"]
SIZES = {"mnist_classifier": ["param.dropout=0.3", "param.norm=batch"], **SMALL}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """`searched(space)`: the folder of a small finished run of it, searched once."""
    made = {}

    def run(space: str) -> Path:
        if space not in made:
            storage = tmp_path_factory.mktemp("runs")
            name = Path(space).stem
            start(resolve([f"space={space}", f"storage={storage}", *SMALL_SEARCH, *SIZES.get(name, [])]))
            made[space] = storage / "r"
        return made[space]

    return run


@pytest.fixture
def classifier(searched, tmp_path):
    """A run of the classifier, of one's own."""
    return shutil.copytree(searched("mnist_classifier"), tmp_path / "r")


def lightning(monkeypatch, *arguments: object) -> LightningCLI:
    """`python -m trainables ...`, in this process."""
    monkeypatch.setattr(
        sys, "argv", ["trainables", *map(str, arguments), "--trainer.enable_progress_bar=false"]
    )
    return CLI(auto_configure_optimizers=False, load_from_checkpoint_support=False)


def curve(rows, metric):
    return [float(row[metric]) for row in rows if row.get(metric)]


@pytest.mark.parametrize("space", ["mnist_classifier", "slice_reg", "tiny"])
def test_fit_gives_the_curve_of_the_trial(space, searched, tmp_path, monkeypatch):
    """Equal losses: those that Lightning logs are float32. Dropout, augmentation and batch norm are in it."""
    torch.set_num_threads(1)
    if space == "tiny":
        space = str(tmp_path / "tiny.yaml")
        Path(space).write_text(TINY_SPACE.format(net="TinyNet"))
    folder = searched(space)
    run = open_run(folder)
    config = export(run, onnx=False) / "config.yaml"
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", config)
    with open(next(tmp_path.glob("lightning_logs/*/metrics.csv"))) as file:
        rows = list(csv.DictReader(file))
    epochs = [row for row in run.epochs.to_pylist() if row["trial"] == run.best()["trial"]]
    metrics = [name for name in epochs[0] if name.startswith(("train/", "val"))]
    assert run.config["objective"]["metric"] in metrics
    for metric in metrics:
        expected = curve(epochs, metric)
        assert curve(rows, metric)[: len(expected)] == pytest.approx(expected, rel=1e-6), metric
    kept = next(tmp_path.glob("lightning_logs/*/checkpoints/*.ckpt"))
    cls = byname.load(run.config["trainable"])
    if cls is Classifier:
        assert isinstance(cls.load_from_checkpoint(kept, weights_only=True), Classifier)
