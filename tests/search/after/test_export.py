"""What a run has found, used without the run: exported files, and the same training outside any search."""

import csv
import shutil
import sys
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
from tests.search.cli.test_cli import SMALL, TINY_SPACE
from trainables import import_path
from trainables.__main__ import CLI
from trainables.mnist.classifier import Classifier
from trainables.training.train import build

SMALL_SEARCH = ["name=r", "engine=local", "trials=3", "epochs=3", "lanes=1"]
SIZES = {
    "mnist_classifier": ["param.dropout=0.3", "param.norm=batch"],
    "slice_reg": [*SMALL["slice_reg"], "trials=1"],
}


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
    return shutil.copytree(
        searched("mnist_classifier"), tmp_path / "r", ignore=shutil.ignore_patterns("best")
    )


def lightning(monkeypatch, *arguments: object) -> None:
    """`python -m trainables ...`, in this process."""
    quiet = "--trainer.enable_progress_bar=false"
    monkeypatch.setattr(sys, "argv", ["trainables", *map(str, arguments), quiet])
    CLI(auto_configure_optimizers=False, load_from_checkpoint_support=False)


def test_what_was_noted_of_the_data_is_not_said_again(classifier, monkeypatch):
    def noting(*arguments):
        warnings.warn("fewer than three series", stacklevel=1)
        return build(*arguments)

    monkeypatch.setattr("search.after.models.build", noting)
    with warnings.catch_warnings(record=True) as said:
        load(best_model(open_run(classifier)))
    assert not said


@pytest.mark.parametrize("space", ["mnist_classifier", "slice_reg", "tiny"])
def test_fit_gives_the_curve_of_the_trial(space, searched, tmp_path, monkeypatch):
    """Equal losses, but that Lightning logs float32. Dropout, augmentation and batch norm are in it."""
    if space == "tiny":
        space = str(tmp_path / "tiny.yaml")
        Path(space).write_text(TINY_SPACE.format(net="TinyNet"))
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
    kept = next(tmp_path.glob("lightning_logs/*/checkpoints/*.ckpt"))
    import_path.load(run.config["trainable"]).load_from_checkpoint(kept, weights_only=True)
    assert torch.load(kept, weights_only=True)["hyper_parameters"]["lr"] == best_model(run).lane.params["lr"]


def logged_metrics(folder: Path) -> dict[str, list[float]]:
    """What the CSVLogger wrote below a folder, by metric."""
    with open(next(folder.glob("lightning_logs/*/metrics.csv"))) as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


@pytest.mark.parametrize(
    ("space", "licence"),
    [("mnist_classifier", "CC BY 4.0"), ("slice_reg", "MIT: the phantom"), ("tiny", "not known.")],
)
def test_the_card_says_the_licence_of_the_data(space, licence, searched, tmp_path):
    if space == "tiny":
        space = str(tmp_path / "tiny.yaml")
        Path(space).write_text(TINY_SPACE.format(net="TinyNet"))
    card = (export(open_run(searched(space)), onnx=False) / "MODEL_CARD.md").read_text()
    assert f"Licence of the data: {licence}" in card


def test_the_files_need_no_run(classifier, tmp_path, monkeypatch):
    run = open_run(classifier)
    given = CliRunner().invoke(app, ["export", str(classifier)])
    assert given.exit_code == 0, given.output
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
    plain = torch.load(files / "model.ckpt", weights_only=True)["hyper_parameters"]
    by_hand = Classifier(**plain).eval()
    by_hand.load_state_dict(load_file(files / "model.safetensors"))
    for module in from_ckpt, by_hand:
        assert torch.equal(module(images), expected(images))
    accuracy = (from_ckpt(images).argmax(1) == labels).float().mean().item()
    assert accuracy == pytest.approx(run.best()["objective"])
    monkeypatch.chdir(tmp_path)
    for command in ("validate", "test", "predict"):
        lightning(
            monkeypatch, command, "--config", files / "config.yaml", "--ckpt_path", files / "model.ckpt"
        )
    (found,) = torch.load(next(tmp_path.glob("lightning_logs/*/predictions.pt")), weights_only=True)
    assert torch.equal(found, expected(images))
    with open(tmp_path / "lightning_logs" / "version_0" / "metrics.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val/accuracy"]) == pytest.approx(accuracy)
    card = (files / "MODEL_CARD.md").read_text()
    params = best_model(run).lane.params
    for said in (
        "mnist-1-digits",
        "CC BY 4.0",
        "nothing has been scored on the test split",
        f"| {accuracy:.6g} |",
        f"| widths | {params['widths']} |",
        torch.__version__.partition("+")[0],
    ):
        assert said.lower() in card.lower()
    assert str(tmp_path) not in card


def test_an_export_is_whole_or_not_at_all(classifier, monkeypatch):
    run = open_run(classifier)
    before = {path.name: path.read_bytes() for path in export(run, onnx=False).iterdir()}

    def broken(*arguments, **more):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("search.after.export.card", broken)
        with pytest.raises(RuntimeError, match="disk is full"):
            export(run, onnx=False)
    assert {path.name: path.read_bytes() for path in (classifier / "best").iterdir()} == before
    (classifier / "best" / "MODEL_CARD.md").write_text("old")
    export(run, onnx=False)
    assert (classifier / "best" / "MODEL_CARD.md").read_bytes() == before["MODEL_CARD.md"]
    assert not [path for path in classifier.iterdir() if path.name.startswith(".best")]


@pytest.mark.parametrize("space", ["mnist_classifier", "slice_reg"])
def test_onnx_computes_the_same(space, searched):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = open_run(searched(space))
    module, data = load(best_model(run))
    inputs = first_inputs(data)[:3]
    session = onnxruntime.InferenceSession(export(run, onnx=True) / "model.onnx")
    (found,) = session.run(None, {"input": inputs.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), module(inputs).detach(), rtol=1e-3, atol=1e-3)


def test_a_module_that_onnx_would_change_is_refused(classifier, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("trainables.onnx.TOLERANCE", -1.0)
    result = CliRunner().invoke(app, ["export", str(classifier), "onnx=true"])
    assert result.exit_code == 2
    assert "as ONNX gives other outputs" in result.stderr
    assert not (classifier / "best").exists()


def test_a_confirmed_winner_is_what_is_exported(classifier, tmp_path, monkeypatch):
    confirm(classifier, top=1, seeds=2)
    run = open_run(classifier)
    said = run.confirmation()
    rows = [row for row in run.confirmed.to_pylist() if row["config"] == said.winner]
    chosen = max(rows, key=lambda row: row["val"])
    model = best_model(run)
    assert (model.name, model.value) == (f"{said.winner}, seed {chosen['seed']}", chosen["val"])
    others = [row for row in run.confirmed.to_pylist() if row["config"] != said.winner]
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
    (winner,) = [config for config in said.configs if config.config == said.winner]
    assert f"{text.mean(winner.test)} ({text.interval(winner.test)})" in card
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", files / "config.yaml")
    assert max(logged_metrics(tmp_path)["val/accuracy"]) == pytest.approx(chosen["val"], rel=1e-6)
