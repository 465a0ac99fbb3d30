"""Predictors of the MNIST spaces: one model or an ensemble, IDX files or folders of images."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pyarrow import csv
from typer.testing import CliRunner

from results import open_run
from search.after.models import best_model, load, ranked_models
from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.run import start
from spaces.lane import Lane
from tests.trainables.mnist.idx_files import write_idx
from trainables.learner import Learner
from trainables.mnist.autoencoder import Autoencoder
from trainables.mnist.classifier import Classifier
from trainables.mnist.data import MnistData
from trainables.mnist.predict import ClassPredictor, ReconstructionPredictor
from trainables.training.setup import Setup
from trainables.training.train import train

SHAPE = (1, 8, 8)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """Twenty images and their labels, as IDX files."""
    split = MnistData().split("test")
    images, labels = split.images[:20, 0].numpy(), split.labels[:20].numpy().astype(np.uint8)
    return write_idx(tmp_path / "images-idx3-ubyte", images), write_idx(tmp_path / "labels", labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A search with two complete trials."""
    storage = tmp_path_factory.mktemp("runs")
    sizes = ["trials=2", "epochs=1", "name=r", "engine=local", "lanes=1"]
    start(resolve(["space=mnist_classifier", f"storage={storage}", *sizes]))
    return open_run(storage / "r")


def predict(run, *arguments) -> str:
    result = CliRunner().invoke(app, ["predict", str(run.path), *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_predicts_an_idx_file(run, files, tmp_path):
    images, labels = files
    output = predict(run, images, "--out", tmp_path / "out", "--truth", labels)
    module, data = load(best_model(run))
    pixels, classes = data.split("test").__getitems__(range(20))
    expected = module(pixels).softmax(1).detach().numpy()
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert table["input"].to_pylist() == [str(number) for number in range(20)]
    assert table["class"].to_pylist() == expected.argmax(1).tolist()
    for number in range(10):
        np.testing.assert_allclose(table[f"p/{number}"].to_numpy(), expected[:, number], atol=1e-6)
    assert table["truth"].to_pylist() == classes.tolist()
    correct = (expected.argmax(1) == classes.numpy()).sum()
    assert f"{correct} of 20 are right: accuracy {correct / 20:.4g}" in output
    text = csv.read_csv(tmp_path / "out" / "predictions.csv")
    assert text["class"].to_pylist() == table["class"].to_pylist()


def test_an_ensemble_is_the_mean_of_its_members(run, files, tmp_path):
    assert f"with {ranked_models(run)[0].name}, {ranked_models(run)[1].name} of r" in predict(
        run, files[0], "top=2", "--out", tmp_path / "out"
    )
    pixels, _ = MnistData().split("test").__getitems__(range(20))
    each = [load(model)[0](pixels).softmax(1).detach().numpy() for model in ranked_models(run)]
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    mean = np.stack([table[f"p/{number}"].to_numpy() for number in range(10)], 1)
    np.testing.assert_allclose(mean, (each[0] + each[1]) / 2, atol=1e-6)


def test_a_folder_of_images_predicts_as_its_idx_file(run, files, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    split = MnistData().split("test")
    for number in range(20):
        Image.fromarray(split.images[number, 0].numpy()).save(folder / f"{number:02}.png")
    (folder / "notes.txt").write_text("not an image")
    predict(run, folder, "--out", tmp_path / "a")
    predict(run, files[0], "--out", tmp_path / "b")
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


def test_bad_inputs_and_options_are_refused_in_one_line(run, files, tmp_path):
    images, labels = files
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
    assert not (tmp_path / "o").exists()
    (empty / "wide.png").write_text("no image")
    assert "can't be read as an image" in refused(run, tmp_path, empty)


def test_reconstructions_and_latents(files, tmp_path):
    torch.manual_seed(0)
    members = [Autoencoder(image_shape=SHAPE, latent=3, widths="16").eval() for _ in range(2)]
    lines = ReconstructionPredictor(members, MnistData()).predict(files[0], tmp_path, {})
    pixels, _ = MnistData().split("test").__getitems__(range(20))
    outputs = torch.stack([member(pixels) for member in members]).mean(0)
    rmse = (outputs - pixels).square().flatten(1).mean(1).sqrt().detach().numpy()
    table = pq.read_table(tmp_path / "predictions.parquet")
    np.testing.assert_allclose(table["rmse"].to_numpy(), rmse, rtol=1e-4)
    for index, member in enumerate(members):
        latents = member.encode(pixels).detach().numpy()
        for number in range(3):
            column = table[f"latent/{index}/{number}"].to_numpy()
            np.testing.assert_allclose(column, latents[:, number], rtol=1e-4)
    assert f"{rmse.mean():.4g}" in lines[0]
    with Image.open(tmp_path / "reconstructions.png") as sheet:
        cells = np.array(sheet)
    first, second = cells[2:10, 2:10], cells[2:10, 14:22]
    assert np.array_equal(first, MnistData().split("test").images[0, 0].numpy())
    assert np.abs(second - outputs[0, 0].detach().numpy() * 255).max() <= 1


def test_training_never_runs_a_predictor(tmp_path, monkeypatch):
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
