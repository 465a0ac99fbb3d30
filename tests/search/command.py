"""The command line, in a process of its own or in this one, and overrides that make Ladder's spaces small."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.run import start
from tests.trainables.mnist.idx_files import few_digits

ROOT = Path(__file__).parents[2]
SMALL_SECTIONS = ["data.image_size=32", "data.train=32", "data.val=16", "param.batch_size=16"]
FEW_DIGITS = [f"data.root={few_digits()}"]
SMALL = {
    "mnist_gan": FEW_DIGITS,
    "mnist_diffusion": FEW_DIGITS,
    "slice_reg": [*SMALL_SECTIONS, "backbone=resnet10t"],
    "slice_backbones": [*SMALL_SECTIONS, "param.backbone=resnet10t"],
    "text_transformer": ["data.train=64", "data.val=16", "data.test=16"],
}


def search(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs `python -m search` with the arguments; the options are those of `subprocess.run`."""
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    return subprocess.run(
        command, **{"cwd": ROOT, "capture_output": True, "text": True, "timeout": 240, **options}
    )


def invoke(*arguments: object) -> Result:
    """Runs the command in this process, which has imported PyTorch already: that takes seconds."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def searched(folder, space, *overrides, trials=4):
    """The folder of a finished search of a space file's text in `folder`, by the local engine, rungs 1 and 3.

    `overrides` are those of the command; one without a value removes a default: `trials=`.
    """
    (folder / "tiny.yaml").write_text(space)
    size = {"trials": trials, "epochs": 3, "grace": 1, "lanes": 1} | dict(one.split("=") for one in overrides)
    keys = [f"{key}={value}" for key, value in size.items() if value]
    return start(
        resolve([f"space={folder}/tiny.yaml", f"storage={folder}", "name=r", "engine=local", *keys])
    ).folder
