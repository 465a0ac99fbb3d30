"""The image generators after a search: pictures of the report, predictions, and Lightning's own commands."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from results import open_run
from search.after.export import export
from search.after.models import load, ranked_models
from search.after.report import pictures
from search.config.run_config import resolve
from search.runs.run import start
from tests.search.after.lightning_cli import lightning, logged_metrics
from tests.search.command import SMALL, invoke
from tests.trainables.mnist.idx_files import few_digits

pytestmark = pytest.mark.slow
TITLES = {"mnist_gan": "Images by epoch.", "mnist_diffusion": "From noise to image."}


@pytest.fixture(scope="module", params=TITLES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A search with two complete trials."""
    storage = tmp_path_factory.mktemp("runs")
    sizes = ["trials=2", "epochs=2", "grace=2", "name=r", "engine=local", f"storage={storage}"]
    config = resolve([f"space={request.param}", *sizes, *SMALL[request.param]])
    return open_run(start(config).folder), config


def test_the_report_has_images(run):
    run, config = run
    images, missing = pictures(run, config)
    assert missing == ""
    first = TITLES[run.config["space"]]
    assert [picture.title for picture in images] == [first, "Generated images.", "Validation images."]
    assert all(picture.png.startswith(b"\x89PNG") for picture in images)


def test_predict_generates_images_and_compares_them(run, tmp_path: Path):
    run, _ = run
    source = few_digits() / "few-images-idx3-ubyte"
    arguments = ["predict", run.path, source, "top=2", "count=21", "seed=4", "--out"]
    ran = invoke(*arguments, tmp_path / "a")
    assert ran.exit_code == 0, ran.output
    assert "21 images generated; their energy distance from the 100 images" in ran.stdout
    images = np.load(tmp_path / "a" / "images.npy")
    assert (images.shape, images.dtype) == ((21, 8, 8), np.uint8)
    modules = [load(model)[0] for model in ranked_models(run)]
    for number, module in enumerate(modules):  # they take turns
        own = (255 * module.generate(11, 4 + number)[:, 0]).round().byte().numpy()
        assert np.array_equal(images[number::2], own[: len(images[number::2])])
    with Image.open(tmp_path / "a" / "images.png") as sheet:
        assert sheet.width > 16 * 3 * 8
    invoke(*arguments, tmp_path / "b")
    assert np.array_equal(np.load(tmp_path / "b" / "images.npy"), images)
    for option in "count=0", "seed=-1":
        refused = invoke("predict", run.path, source, option, "--out", tmp_path / "c")
        assert refused.exit_code == 2 and f"{option.replace('=', ' is ')}, but must be" in refused.stderr


def test_an_export_is_validated_tested_and_predicts(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, _ = run
    files = export(run, onnx=False)
    monkeypatch.chdir(tmp_path)
    model = ["--config", files / "config.yaml", "--ckpt_path", files / "model.ckpt"]
    lightning(monkeypatch, "validate", *model)
    (value,) = logged_metrics(tmp_path)[run.config["objective"]["metric"]]
    assert value == pytest.approx(run.best()["objective"], rel=1e-5)
    lightning(monkeypatch, "test", *model)
    lightning(monkeypatch, "predict", *model)
    (predictions,) = torch.load(next(tmp_path.glob("lightning_logs/*/predictions.pt")), weights_only=True)
    assert predictions.shape == (10, 1, 8, 8)
