"""Predicting images: with one model or several, from IDX files and from folders."""

import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pyarrow import csv
from typer.testing import CliRunner

from results import open_run
from search.after.models import best, loaded, ranked
from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.run import start
from trainables.learner import Learner
from trainables.mnist.autoencoder import Autoencoder
from trainables.mnist.classifier import Classifier
from trainables.mnist.data import MnistData
from trainables.mnist.predict import ClassPredictor, ReconstructionPredictor
from trainables.training.train import Lane, Setup, train

SHAPE = (1, 8, 8)


def write_idx(path: Path, values: np.ndarray) -> Path:
    path.write_bytes(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())
    return path


@pytest.fixture
def some(tmp_path) -> tuple[Path, Path]:
    """Twenty images and their labels, as IDX files."""
    split = MnistData().split("test")
    images, labels = split.images[:20, 0].numpy(), split.labels[:20].numpy().astype(np.uint8)
    return write_idx(tmp_path / "images-idx3-ubyte", images), write_idx(tmp_path / "labels", labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A search of which two trials are complete."""
    storage = tmp_path_factory.mktemp("runs")
    sizes = ["trials=2", "epochs=1", "name=r", "engine=local", "lanes=1"]
    start(resolve(["space=mnist_classifier", f"storage={storage}", *sizes]))
    return open_run(storage / "r")


def predict(run, *arguments) -> str:
    result = CliRunner().invoke(app, ["predict", str(run.path), *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_predicts_an_idx_file(run, some, tmp_path):
    images, labels = some
    said = predict(run, images, "--out", tmp_path / "out", "--truth", labels)
    module, data = loaded(best(run))
    pixels, known = data.split("test").__getitems__(range(20))
    expected = module(pixels).softmax(1).detach().numpy()
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert table["input"].to_pylist() == [str(number) for number in range(20)]
    assert table["class"].to_pylist() == expected.argmax(1).tolist()
    for number in range(10):
        np.testing.assert_allclose(table[f"p/{number}"].to_numpy(), expected[:, number], atol=1e-6)
    assert table["truth"].to_pylist() == known.tolist()
    right = (expected.argmax(1) == known.numpy()).sum()
    assert f"{right} of 20 are right: accuracy {right / 20:.4g}" in said
    same = csv.read_csv(tmp_path / "out" / "predictions.csv")
    assert same["class"].to_pylist() == table["class"].to_pylist()


def test_an_ensemble_is_the_mean_of_its_members(run, some, tmp_path):
    assert f"with {ranked(run)[0].name}, {ranked(run)[1].name} of r" in predict(
        run, some[0], "top=2", "--out", tmp_path / "out"
    )
    pixels, _ = MnistData().split("test").__getitems__(range(20))
    each = [loaded(model)[0](pixels).softmax(1).detach().numpy() for model in ranked(run)]
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    found = np.stack([table[f"p/{number}"].to_numpy() for number in range(10)], 1)
    np.testing.assert_allclose(found, (each[0] + each[1]) / 2, atol=1e-6)


def test_a_folder_of_images_is_the_idx_file(run, some, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    split = MnistData().split("test")
    for number in range(20):
        Image.fromarray(split.images[number, 0].numpy()).save(folder / f"{number:02}.png")
    (folder / "notes.txt").write_text("not an image")
    predict(run, folder, "--out", tmp_path / "a")
    predict(run, some[0], "--out", tmp_path / "b")
    a, b = (pq.read_table(tmp_path / name / "predictions.parquet") for name in "ab")
    assert a["input"].to_pylist() == [f"{number:02}.png" for number in range(20)]
    assert a.drop_columns("input").equals(b.drop_columns("input"))


def refused(run, tmp_path, *arguments) -> str:
    result = CliRunner().invoke(
        app, ["predict", str(run.path), *map(str, arguments), "--out", f"{tmp_path}/o"]
    )
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_what_can_not_be_predicted_is_said_in_a_line(run, some, tmp_path):
    images, labels = some
    assert "ClassPredictor has no option 'numbers'; its options are: truth" in refused(
        run, tmp_path, images, "--numbers", labels
    )
    assert "has no option 'window'" in refused(run, tmp_path, images, "window=3")
    assert "top is 3, but run r keeps the checkpoints of 2 models" in refused(run, tmp_path, images, "top=3")
    assert "top is 0, but must be" in refused(run, tmp_path, images, "top=0")
    assert "there is nothing at" in refused(run, tmp_path, tmp_path / "none")
    assert "must have 20 labels" in refused(run, tmp_path, images, "--truth", images)
    assert "images must have 3" in refused(run, tmp_path, labels)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no images" in refused(run, tmp_path, empty)
    Image.new("L", (9, 8)).save(empty / "wide.png")
    assert "wide.png is 8 x 9 pixels, but the model was trained on 8 x 8" in refused(run, tmp_path, empty)
    (empty / "wide.png").write_text("no image")
    assert "can't be read as an image" in refused(run, tmp_path, empty)


def test_reconstructions_and_latents(some, tmp_path):
    torch.manual_seed(0)
    members = [Autoencoder(image_shape=SHAPE, latent=3, widths="16").eval() for _ in range(2)]
    said = ReconstructionPredictor(members, MnistData()).predict(some[0], tmp_path, {})
    pixels, _ = MnistData().split("test").__getitems__(range(20))
    drawn = torch.stack([member(pixels) for member in members]).mean(0)
    rmse = (drawn - pixels).square().flatten(1).mean(1).sqrt().detach().numpy()
    table = pq.read_table(tmp_path / "predictions.parquet")
    np.testing.assert_allclose(table["rmse"].to_numpy(), rmse, rtol=1e-4)
    for index, member in enumerate(members):
        latents = member.encode(pixels).detach().numpy()
        for number in range(3):
            found = table[f"latent/{index}/{number}"].to_numpy()
            np.testing.assert_allclose(found, latents[:, number], rtol=1e-4)
    assert f"{rmse.mean():.4g}" in said[0]
    with Image.open(tmp_path / "reconstructions.png") as sheet:
        cells = np.array(sheet)
    first, second = cells[2:10, 2:10], cells[2:10, 14:22]
    assert np.array_equal(first, MnistData().split("test").images[0, 0].numpy())
    assert np.abs(second - drawn[0, 0].detach().numpy() * 255).max() <= 1


def test_training_never_predicts(tmp_path, monkeypatch):
    def never(*arguments):
        raise AssertionError("a predictor ran in training or validation")

    for cls in ClassPredictor, ReconstructionPredictor:
        monkeypatch.setattr(cls, "__init__", never)
        monkeypatch.setattr(cls, "predict", never)
    monkeypatch.setattr(Learner, "predict_step", never)
    for cls in Classifier, Autoencoder:
        setup = Setup(
            f"{cls.__module__}:{cls.__name__}", "trainables.mnist.data:MnistData", {}, 0, 1, "val/loss"
        )
        lanes = [Lane(number, {"widths": "16"}, seed=number) for number in range(2)]
        (epoch,) = train(setup, lanes, 0, 1, str(tmp_path / "c.safetensors"))
        assert set(epoch.metrics) == {0, 1}
