"""Projects of LightningCLI and Hydra are searched, confirmed and exported as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from results import open_run

pytestmark = pytest.mark.slow

PROJECTS = Path(__file__).parents[2] / "projects"
SIZES = ("trials=2", "epochs=2", "grace=1", "name=r", "confirm.top=1", "confirm.seeds=1")


@pytest.fixture
def project(tmp_path, request):
    """A copy of a project: its folder is the current one of its commands."""
    shutil.copytree(PROJECTS / request.param, tmp_path / "project")
    return tmp_path / "project"


def command(folder, *arguments):
    """The output of a command in the folder, which must succeed."""
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("project", ["cli"], indirect=True)
def test_a_lightning_cli_project(project):
    command(project, "-m", "search", "run", "space=space.yaml", "engine=local", *SIZES)
    run = open_run(project / "runs" / "r")
    assert {row["state"] for row in run.trials.to_pylist()} <= {"complete", "stopped"}
    assert run.confirmation.winner is not None
    assert "lr" in run.epochs.column_names
    command(project, "-m", "search", "export", "r")
    config = run.path / "best" / "config.yaml"
    chosen = {name: value for name, value in run.params(run.winner()).items() if value is not None}
    content = yaml.safe_load(config.read_text())
    assert content["data"]["init_args"]["batch_size"] == chosen["data.init_args.batch_size"]
    limits = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.default_root_dir=out")
    quiet = ("--trainer.callbacks=[]", "--trainer.enable_checkpointing=false", "--trainer.logger=true")
    command(project, "main.py", "fit", "--config", config, *limits, *quiet)


@pytest.mark.parametrize("project", ["template"], indirect=True)
def test_a_hydra_project_on_ray(project):
    command(project, "-m", "search", "run", "space=space.yaml", *SIZES)
    run = open_run(project / "runs" / "r")
    assert {row["state"] for row in run.trials.to_pylist()} <= {"complete", "stopped"}
    assert {"val/acc", "val/acc_best", "train/acc"} <= set(run.epochs.column_names)
    assert run.confirmation.winner is not None
    command(project, "-m", "search", "export", "r")
    content = yaml.safe_load((run.path / "best" / "config.yaml").read_text())
    assert content["model"]["optimizer"]["lr"] == run.params(run.winner())["model.optimizer.lr"]
    assert not (project / "logs").exists()
