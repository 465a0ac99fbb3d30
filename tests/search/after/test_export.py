"""The best model of a run, used without it: its exported files, and its training repeated with Lightning."""

import csv
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from results import open_run, text
from search.after.export import export, first_inputs
from search.after.models import best_model, load, ranked_models
from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.run import confirm, start
from tests import tiny
from tests.search.after.lightning_cli import lightning, logged_metrics
from tests.search.command import SMALL
from trainables import import_path
from trainables.mnist.classifier import Classifier
from trainables.training.build import build

pytestmark = pytest.mark.slow

SMALL_SEARCH = ["name=r", "engine=local", "trials=3", "epochs=3", "grace=1", "lanes=1"]
SIZES = {
    "mnist_classifier": ["param.dropout=0.3", "param.norm=batch"],
    "slice_reg": [*SMALL["slice_reg"], "trials=1"],
    **{name: [*SMALL[name], "trials=1"] for name in ("mnist_gan", "mnist_diffusion", "text_transformer")},
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """`searched(name)`: the folder of a small finished run of the space, or of TinyNet for "tiny".

    Each space is searched once.
    """
    folders = {}

    def run(name: str) -> Path:
        if name not in folders:
            storage = tmp_path_factory.mktemp("runs")
            (storage / "tiny.yaml").write_text(tiny.SPACE.format(net="TinyNet"))
            space = storage / "tiny.yaml" if name == "tiny" else name
            start(resolve([f"space={space}", f"storage={storage}", *SMALL_SEARCH, *SIZES.get(name, [])]))
            folders[name] = storage / "r"
        return folders[name]

    return run


@pytest.fixture
def classifier(searched, tmp_path):
    """A copy of a run of the classifier, which the test may change."""
    return shutil.copytree(
        searched("mnist_classifier"), tmp_path / "r", ignore=shutil.ignore_patterns("best")
    )


def test_notes_on_the_data_are_not_repeated_on_loading(classifier, monkeypatch):
    def warning_build(*arguments):
        warnings.warn("fewer than three series", stacklevel=1)
        return build(*arguments)

    monkeypatch.setattr("search.after.models.build", warning_build)
    with warnings.catch_warnings(record=True) as caught:
        load(best_model(open_run(classifier)))
    assert not caught


@pytest.mark.parametrize("space", [*SIZES, "tiny"])
def test_fit_gives_the_curve_of_the_trial(space, searched, tmp_path, monkeypatch):
    """The losses are equal to float32, in which Lightning logs; with dropout, augmentation and batch norm."""
    run = open_run(searched(space))
    config = export(run, onnx=False) / "config.yaml"
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", config)
    epochs = [row for row in run.epochs.to_pylist() if row["trial"] == run.best()["trial"]]
    metrics = [name for name in epochs[0] if name.startswith(("train/", "val"))]
    assert run.config["objective"]["metric"] in metrics
    logged = logged_metrics(tmp_path)
    for metric in metrics:
        expected = [row[metric] for row in epochs]
        assert logged[metric][: len(expected)] == pytest.approx(expected, rel=1e-6), metric
    ckpt = next(tmp_path.glob("lightning_logs/*/checkpoints/*.ckpt"))
    import_path.load(run.config["trainable"]).load_from_checkpoint(ckpt, weights_only=True)
    assert torch.load(ckpt, weights_only=True)["hyper_parameters"]["lr"] == best_model(run).lane.params["lr"]


@pytest.mark.parametrize(
    ("space", "licence"),
    [
        ("mnist_classifier", "CC BY 4.0"),
        ("slice_reg", "MIT: the phantom"),
        ("text_transformer", "PSF License"),
        ("tiny", "not known."),
    ],
)
def test_the_card_names_the_licence_of_the_data(space, licence, searched):
    card = (export(open_run(searched(space)), onnx=False) / "MODEL_CARD.md").read_text()
    assert f"Licence of the data: {licence}" in card


def test_the_files_need_no_run(classifier, tmp_path, monkeypatch):
    run = open_run(classifier)
    result = CliRunner().invoke(app, ["export", str(classifier)])
    assert result.exit_code == 0, result.output
    files = classifier / "best"
    assert {path.name for path in files.iterdir()} == {
        "MODEL_CARD.md",
        "config.yaml",
        "model.ckpt",
        "model.safetensors",
    }
    expected, data = load(best_model(run))
    images, labels = next(iter(data.val_dataloader()))
    from_ckpt = Classifier.load_from_checkpoint(files / "model.ckpt", weights_only=True).eval()
    arguments = torch.load(files / "model.ckpt", weights_only=True)["hyper_parameters"]
    from_safetensors = Classifier(**arguments).eval()
    from_safetensors.load_state_dict(load_file(files / "model.safetensors"))
    for module in from_ckpt, from_safetensors:
        assert torch.equal(module(images), expected(images))
    accuracy = (from_ckpt(images).argmax(1) == labels).float().mean().item()
    assert accuracy == pytest.approx(run.best()["objective"])
    monkeypatch.chdir(tmp_path)
    for command in ("validate", "test", "predict"):
        lightning(
            monkeypatch, command, "--config", files / "config.yaml", "--ckpt_path", files / "model.ckpt"
        )
    (predictions,) = torch.load(next(tmp_path.glob("lightning_logs/*/predictions.pt")), weights_only=True)
    assert torch.equal(predictions, expected(images))
    with open(tmp_path / "lightning_logs" / "version_0" / "metrics.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val/accuracy"]) == pytest.approx(accuracy)
    card = (files / "MODEL_CARD.md").read_text()
    params = best_model(run).lane.params
    for text_in_card in (
        "mnist-2-digits",
        "CC BY 4.0",
        "nothing has been scored on the test split",
        f"| {accuracy:.6g} |",
        f"| widths | {params['widths']} |",
        torch.__version__.partition("+")[0],
    ):
        assert text_in_card.lower() in card.lower()
    assert str(tmp_path) not in card


def test_an_export_that_fails_changes_nothing(classifier, monkeypatch):
    run = open_run(classifier)
    before = {path.name: path.read_bytes() for path in export(run, onnx=False).iterdir()}

    def full_disk(*arguments, **options):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("search.after.export.card", full_disk)
        with pytest.raises(RuntimeError, match="disk is full"):
            export(run, onnx=False)
    assert {path.name: path.read_bytes() for path in (classifier / "best").iterdir()} == before
    (classifier / "best" / "MODEL_CARD.md").write_text("old")
    export(run, onnx=False)
    assert (classifier / "best" / "MODEL_CARD.md").read_bytes() == before["MODEL_CARD.md"]
    assert not [path for path in classifier.iterdir() if path.name.startswith(".best")]


@pytest.mark.parametrize("space", ["mnist_classifier", "slice_reg"])
def test_onnx_has_the_same_outputs(space, searched):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = open_run(searched(space))
    module, data = load(best_model(run))
    inputs = first_inputs(data)[:3]
    session = onnxruntime.InferenceSession(export(run, onnx=True) / "model.onnx")
    (outputs,) = session.run(None, {"input": inputs.numpy()})
    torch.testing.assert_close(torch.from_numpy(outputs), module(inputs).detach(), rtol=1e-3, atol=1e-3)


def test_a_module_that_onnx_would_change_is_refused(classifier, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("trainables.onnx.TOLERANCE", -1.0)
    result = CliRunner().invoke(app, ["export", str(classifier), "onnx=true"])
    assert result.exit_code == 2
    assert "as ONNX gives other outputs" in result.stderr
    assert not (classifier / "best").exists()


def test_the_confirmed_winner_is_exported(classifier, tmp_path, monkeypatch):
    confirm(classifier, top=1, seeds=2)
    run = open_run(classifier)
    confirmation = run.confirmation
    rows = [row for row in run.confirmed.to_pylist() if row["config"] == confirmation.winner]
    chosen = max(rows, key=lambda row: row["val"])
    model = best_model(run)
    assert (model.name, model.value) == (f"{confirmation.winner}, seed {chosen['seed']}", chosen["val"])
    others = [row for row in run.confirmed.to_pylist() if row["config"] != confirmation.winner]
    bests = {
        config: max(row["val"] for row in others if row["config"] == config)
        for config in {row["config"] for row in others}
    }
    assert [other.value for other in ranked_models(run)] == [
        chosen["val"],
        *sorted(bests.values(), reverse=True),
    ]
    module, data = load(model)
    images, labels = next(iter(data.val_dataloader()))
    assert (module(images).argmax(1) == labels).float().mean().item() == pytest.approx(chosen["val"])
    files = export(run, onnx=False)
    card = (files / "MODEL_CARD.md").read_text()
    (winner,) = [config for config in confirmation.configs if config.config == confirmation.winner]
    assert f"{text.mean(winner.test)} ({text.interval(winner.test)})" in card
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", files / "config.yaml")
    assert max(logged_metrics(tmp_path)["val/accuracy"]) == pytest.approx(chosen["val"], rel=1e-6)
