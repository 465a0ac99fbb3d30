"""Modules of other projects are searched unchanged, from the folder of their project."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from results import open_run
from search.after.export import export
from search.config.run_config import resolve
from search.runs.run import start
from tests.search.after.lightning_cli import lightning, logged_metrics
from trainables import import_path

pytestmark = pytest.mark.slow

FOREIGN = Path(__file__).parents[2] / "foreign"
SPACES = {
    "autoencoder": """\
trainable: theirs.autoencoder:LitAutoEncoder
data: theirs.autoencoder:DigitsDataModule
objective: {metric: val_loss, mode: min}
params:
  lr: {low: 1e-4, high: 1e-1, log: true}
  hidden: [32, 64]
  batch_size: [16, 32]
""",
    "gan": """\
trainable: theirs.gan:Gan
data: theirs.autoencoder:DigitsDataModule
objective: {metric: val_distance, mode: min}
params:
  lr: {low: 1e-4, high: 1e-1, log: true}
  b1: {low: 0.0, high: 0.9}
""",
    "schedules": """\
trainable: theirs.schedules:Wave
data: theirs.schedules:Waves
objective: {metric: val_loss, mode: min}
params:
  schedule: [plateau, one_cycle, averaged]
  lr: {low: 1e-4, high: 1e-1, log: true}
  patience: {choices: [0, 1], when: {schedule: plateau}}
""",
}


@pytest.fixture
def folder(tmp_path):
    """A user's folder with a package and space files, and nothing of Ladder."""
    shutil.copytree(FOREIGN, tmp_path / "theirs", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in SPACES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def edit(folder, old, new):
    """Replaces text in the autoencoder's space file."""
    space = folder / "autoencoder.yaml"
    text = space.read_text()
    assert old in text
    space.write_text(text.replace(old, new))


def search(folder, *arguments):
    """Runs `python -m search` in the folder."""
    command = [sys.executable, "-m", "search", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture
def in_folder(folder, monkeypatch):
    """The user's folder as the current folder of this process and on its import path."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


@pytest.mark.slow
def test_is_searched_on_ray(folder):
    """Of more than three trials, ASHA may promote two, depending on the order in which they finish."""
    ran = search(folder, "run", "space=autoencoder.yaml", "name=r", "trials=3", "epochs=3", "grace=1")
    assert ran.returncode == 0, ran.stderr
    assert_finished(open_run(folder / "runs" / "r"))


@pytest.mark.parametrize("name", SPACES)
def test_is_searched_on_the_local_engine(in_folder, name):
    outcome = start(resolve([f"space={name}.yaml", "engine=local", "trials=5", "epochs=3", "grace=1"]))
    assert_finished(open_run(outcome.folder))


def assert_finished(run):
    """Trials were promoted to the last rung, or stopped; none failed."""
    assert run.status == "finished"
    rows = run.trials.to_pylist()
    assert {row["state"] for row in rows} == {"complete", "stopped"}
    assert [row["epochs"] for row in rows if row["state"] == "complete"] == [3]


def test_a_missing_module_is_reported_in_one_line(folder):
    edit(folder, "theirs.autoencoder:Lit", "theirs.autoencodr:Lit")
    ran = search(folder, "run", "space=autoencoder.yaml", "engine=local")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: there is no module 'theirs.autoencodr'")
    assert str(folder) in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (folder / "runs").exists()


def test_a_module_in_nested_folders_without_init_files_is_found(in_folder):
    (in_folder / "nested" / "nets").mkdir(parents=True)
    file = shutil.copy(FOREIGN / "autoencoder.py", in_folder / "nested" / "nets")
    assert import_path.find("nested.nets.autoencoder:LitAutoEncoder") == Path(file)
    assert "nested" not in sys.modules


def test_a_parameter_that_is_no_argument_is_named(in_folder):
    edit(in_folder, "hidden:", "hiden:")
    run = open_run(start(resolve(["space=autoencoder.yaml", "engine=local", "trials=1", "epochs=1"])).folder)
    (error,) = run.trials["error"].to_pylist()
    assert "the parameter 'hiden' is no argument of theirs.autoencoder:LitAutoEncoder or theirs" in error


TRAINER = """\
trainable: tests.tiny:TinyNet
data: tests.tiny:TinyData
objective: {metric: val_loss, mode: min}
params: {lr: {low: 1e-2, high: 1e-1}}
"""


def test_arguments_of_the_trainer_change_the_training_and_go_into_the_export(tmp_path, monkeypatch):
    losses = {}
    trainer = "trainer: {gradient_clip_val: 1e-3, accumulate_grad_batches: 2}"
    for name, line in {"without": "", "with": trainer}.items():
        (tmp_path / f"{name}.yaml").write_text(TRAINER + line)
        overrides = [f"space={tmp_path}/{name}.yaml", f"storage={tmp_path}", f"name={name}", "engine=local"]
        run = open_run(start(resolve([*overrides, "trials=1", "epochs=3", "grace=3"])).folder)
        losses[name] = [row["val_loss"] for row in run.epochs.to_pylist()]
    assert losses["with"] != pytest.approx(losses["without"], rel=1e-3)
    config = export(run, onnx=False) / "config.yaml"
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", config)
    assert logged_metrics(tmp_path)["val_loss"] == pytest.approx(losses["with"], rel=1e-6)


@pytest.mark.parametrize(
    ("trainable", "argument", "message"),
    [
        ("tests.tiny:TinyNet", "max_epochs: 3", "trainer.max_epochs is set by Ladder; a space may set acc"),
        ("tests.tiny:TinyNet", "clip: 1.0", "trainer.clip is no argument of Lightning's Trainer"),
        (
            "trainables.mnist.classifier:Classifier",
            "precision: 64-true",
            "Ladder trains a Learner by steps of its own",
        ),
    ],
)
def test_arguments_of_the_trainer_without_effect_are_refused(trainable, argument, message, tmp_path):
    text = TRAINER.replace("tests.tiny:TinyNet", trainable)
    (tmp_path / "s.yaml").write_text(f"{text}trainer: {{{argument}}}")
    with pytest.raises(ValueError, match=message):
        start(resolve([f"space={tmp_path}/s.yaml", f"storage={tmp_path}", "name=r", "engine=local"]))
    assert not (tmp_path / "r").exists()
