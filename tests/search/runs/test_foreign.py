"""Modules that are not ours are searched from their own folder, without a change to them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from results import open_run
from search.after.export import export
from search.config.run_config import resolve
from search.runs.run import start
from tests.search.after.test_export import lightning, logged_metrics

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
    """A user's folder: a package of theirs and space files, and nothing of ours."""
    shutil.copytree(FOREIGN, tmp_path / "theirs", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in SPACES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def edit(folder, old, new):
    """Changes the autoencoder's space file."""
    space = folder / "autoencoder.yaml"
    text = space.read_text()
    assert old in text
    space.write_text(text.replace(old, new))


def search(folder, *arguments):
    command = [sys.executable, "-m", "search", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture
def here(folder, monkeypatch):
    """The user's folder, as the one that this process was started from."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def test_is_searched_on_ray(folder):
    ran = search(folder, "run", "space=autoencoder.yaml", "name=r", "trials=5", "epochs=3")
    assert ran.returncode == 0, ran.stderr
    check(open_run(folder / "runs" / "r"))


@pytest.mark.parametrize("name", SPACES)
def test_is_searched_on_the_local_engine(here, name):
    outcome = start(resolve([f"space={name}.yaml", "engine=local", "trials=5", "epochs=3"]))
    check(open_run(outcome.folder))


def check(run):
    assert run.status == "finished"
    rows = run.trials.to_pylist()
    assert {row["state"] for row in rows} == {"complete", "stopped"}
    assert [row["epochs"] for row in rows if row["state"] == "complete"] == [3]


def test_a_module_that_is_not_there_is_one_line(folder):
    edit(folder, "theirs.autoencoder:Lit", "theirs.autoencodr:Lit")
    ran = search(folder, "run", "space=autoencoder.yaml", "engine=local")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: there is no module 'theirs.autoencodr'")
    assert str(folder) in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (folder / "runs").exists()


def test_a_parameter_that_nobody_takes_is_named(here):
    edit(here, "hidden:", "hiden:")
    run = open_run(start(resolve(["space=autoencoder.yaml", "engine=local", "trials=1", "epochs=1"])).folder)
    (error,) = run.trials["error"].to_pylist()
    assert "the parameter 'hiden' is an argument of neither theirs.autoencoder:LitAutoEncoder" in error


TRAINER = """\
trainable: tests.tiny:TinyNet
data: tests.tiny:TinyData
objective: {metric: val_loss, mode: min}
params: {lr: {low: 1e-2, high: 1e-1}}
"""


def test_arguments_of_the_trainer_change_the_training_and_go_into_the_export(tmp_path, monkeypatch):
    found = {}
    more = "trainer: {gradient_clip_val: 1e-3, accumulate_grad_batches: 2}"
    for name, said in {"without": "", "with": more}.items():
        (tmp_path / f"{name}.yaml").write_text(TRAINER + said)
        overrides = [f"space={tmp_path}/{name}.yaml", f"storage={tmp_path}", f"name={name}", "engine=local"]
        run = open_run(start(resolve([*overrides, "trials=1", "epochs=3", "grace=3"])).folder)
        found[name] = [row["val_loss"] for row in run.epochs.to_pylist()]
    assert found["with"] != pytest.approx(found["without"], rel=1e-3)
    config = export(run, onnx=False) / "config.yaml"
    monkeypatch.chdir(tmp_path)
    lightning(monkeypatch, "fit", "--config", config)
    assert logged_metrics(tmp_path)["val_loss"] == pytest.approx(found["with"], rel=1e-6)


@pytest.mark.parametrize(
    ("trainable", "said", "message"),
    [
        ("tests.tiny:TinyNet", "max_epochs: 3", "trainer.max_epochs is set by Ladder; a space may set acc"),
        ("tests.tiny:TinyNet", "clip: 1.0", "trainer.clip is no argument of Lightning's Trainer"),
        ("trainables.mnist.classifier:Classifier", "precision: 64-true", "is a Learner"),
    ],
)
def test_arguments_of_the_trainer_that_would_do_nothing_are_refused(trainable, said, message, tmp_path):
    text = TRAINER.replace("tests.tiny:TinyNet", trainable)
    (tmp_path / "s.yaml").write_text(f"{text}trainer: {{{said}}}")
    with pytest.raises(ValueError, match=message):
        start(resolve([f"space={tmp_path}/s.yaml", f"storage={tmp_path}", "name=r", "engine=local"]))
    assert not (tmp_path / "r").exists()
