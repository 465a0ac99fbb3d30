"""What the code of users does in many ways: names, loaders, logging, errors."""

import shutil
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from results import open_run
from search.after.export import export
from search.config.run_config import resolve
from search.runs.run import start

FOREIGN = Path(__file__).parents[2] / "foreign"


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """A folder with a package of a user, as the current folder and on the import path."""
    shutil.copytree(FOREIGN, tmp_path / "theirs", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


EARLIER = """\
trainable: theirs.earlier:Plane
objective: {metric: loss, mode: min}
params: {lr: {low: 1e-2, high: 1e-1, log: true}}
trainer: {log_every_n_steps: 1, callbacks: [{class_path: lightning.pytorch.callbacks.Timer}]}
"""


def test_a_module_of_the_earlier_name_with_loaders_of_its_own_and_no_validation(in_folder):
    (in_folder / "earlier.yaml").write_text(EARLIER)
    run = open_run(
        start(resolve(["space=earlier.yaml", "engine=local", "trials=2", "epochs=3", "grace=1"])).folder
    )
    assert {row["state"] for row in run.trials.to_pylist()} == {"complete", "stopped"}
    losses = [row["loss"] for row in run.epochs.to_pylist() if row["trial"] == run.best()["trial"]]
    assert losses == sorted(losses, reverse=True)
    assert set(export(run, onnx=False).iterdir())


def test_an_error_names_the_line_of_the_users_code(in_folder):
    (in_folder / "earlier.yaml").write_text(EARLIER.replace("Plane", "Broken"))
    run = open_run(start(resolve(["space=earlier.yaml", "engine=local", "trials=1", "epochs=1"])).folder)
    (error,) = run.trials["error"].to_pylist()
    line = next(
        number
        for number, text in enumerate((FOREIGN / "earlier.py").read_text().splitlines(), 1)
        if "no such step" in text
    )
    assert error == f"RuntimeError: no such step (earlier.py:{line}, in training_step)"


def test_a_missing_argument_is_named_before_anything_is_written(in_folder):
    (in_folder / "earlier.yaml").write_text(EARLIER.replace("Plane", "Needs"))
    with pytest.raises(ValueError, match=r"theirs\.earlier:Needs needs an argument 'depth', which neither"):
        start(resolve(["space=earlier.yaml", "engine=local", "trials=1", "epochs=1"]))
    assert not (in_folder / "runs").exists()


def test_images_of_a_module_go_to_tensorboard(in_folder):
    (in_folder / "earlier.yaml").write_text(EARLIER)
    sizes = ["engine=local", "trials=1", "epochs=2", "grace=1", "logger=tensorboard"]
    run = open_run(start(resolve(["space=earlier.yaml", *sizes])).folder)
    events = EventAccumulator(str(run.path / "logs" / "modules" / "trial-00000"), {"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("weights")] == list(range(8))
    assert not events.Tags()["scalars"]
