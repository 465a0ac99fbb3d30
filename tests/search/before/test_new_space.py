"""`new` writes a valid, commented space file from a module's signature, and overwrites none."""

import sys
from typing import Literal

import lightning as L
import pytest
from typer.testing import CliRunner

from search.before.new_space import about, write
from search.cli.commands import app
from search.config.run_config import resolve
from search.runs.run import start
from spaces.params import Choice, Range
from spaces.read import read

HERE = "tests.search.before.test_new_space"


class Net(L.LightningModule):
    """A net with "quotes": and colons.

    The space file does not have this line.
    """

    def __init__(
        self,
        n_classes: int,
        lr: float = 1e-3,
        act: Literal["relu", "gelu"] = "relu",
        width: int = 64,
        depth: int = 2,
        dropout: float | None = 0.1,
        momentum: float = 0.9,
        bias: bool = True,
        scale: float = 4.0,
        name: str = "x",
        backbone: str = "no",
        layers: tuple = (1, 2),
    ):
        super().__init__()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", 0.0)
        self.log("val/acc", 0.0)


class Data(L.LightningDataModule):
    """Data."""

    def __init__(self, data_dir: str = "./data", batch_size: int = 32, val_split: float = 0.1):
        super().__init__()


class NoArguments(L.LightningModule):
    """A module without arguments."""


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Makes this module importable by name; pytest has imported it under another one."""
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])
    for cls in (Net, Data, NoArguments):
        monkeypatch.setattr(cls, "__module__", HERE)


def test_types_defaults_and_names_determine_the_space(tmp_path):
    path = write(f"{HERE}:Net", f"{HERE}:Data", tmp_path)
    assert path == tmp_path / "test_new_space.yaml"
    space = read(str(path))
    assert space.about == 'A net with "quotes": and colons.'
    assert space.trainable == f"{HERE}:Net"
    assert (space.objective.metric, space.objective.mode) == ("val/acc", "max")
    assert space.params == {
        "lr": Range(1e-4, 1e-2, log=True),
        "act": Choice(("relu", "gelu")),
        "width": Range(16, 256, log=True),
        "depth": Range(1, 4),
        "dropout": Range(0.0, 0.5),
        "momentum": Range(0.5, 0.98),
        "bias": Choice((False, True)),
        "scale": Range(2.0, 8.0),
        "batch_size": Choice((16, 32, 64)),
    }
    assert space.default() == {
        "lr": 1e-3, "act": "relu", "width": 64, "depth": 2, "dropout": 0.1, "momentum": 0.9, "bias": True,
        "scale": 4.0, "batch_size": 32,
    }  # fmt: skip
    assert space.options == {"data_dir": "./data", "val_split": 0.1}
    assert space.settings == {"backbone": "no"}
    text = path.read_text()
    assert "# REQUIRED: n_classes: int has no default" in text
    assert "keep their defaults: name, layers" in text


def test_a_file_is_never_overwritten(tmp_path):
    (tmp_path / "test_new_space.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"test_new_space.yaml exists already and is not overwritten"):
        write(f"{HERE}:Net", f"{HERE}:Data", tmp_path)
    assert (tmp_path / "test_new_space.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.at_all"], "there is no module 'nowhere.at_all'"),
        (["tests.foreign.gan:Gam"], "did you mean 'Gan'"),
        (
            ["tests.foreign.gan"],
            "tests.foreign.gan defines no LightningDataModule (data=package.module:Class)",
        ),
        (
            [HERE],
            "defines 2 LightningModules: Net, NoArguments; name one (package.module:Class)",
        ),
        ([f"{HERE}:Data"], "is no LightningModule"),
        ([f"{HERE}:NoArguments", "data=tests.foreign.schedules:Waves", "date=3"], "only data=..."),
    ],
)
def test_wrong_input_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["new", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        ("A net\nfor digits. It has layers.\n\nArgs:\n    lr: the rate", "A net for digits."),
        ("A net for digits", "A net for digits"),
        ("A line without an end\nin two lines", None),
        ("Args:\n    lr: the rate.", None),
        ("Example::\n\n    Net(lr=0.1)", None),
        (":param lr: the rate of learning.", None),
        ("lr (float): the rate of learning.", None),
        ("Net for small digits\n====================", None),
        ("It takes these arguments:", None),
        ("Net(lr: float = 0.1, width: int = 3)", None),
        ("A net", None),
        ("", None),
        (None, None),
    ],
)
def test_about_is_a_sentence(doc, text):
    assert about(type("Net", (), {"__doc__": doc})) == (text or "Searches Net")


def test_about_is_no_docstring_of_lightning():
    own = type("Net", (L.LightningDataModule,), {"__doc__": L.LightningDataModule.__doc__})
    assert about(own) == "Searches Net"


def test_a_module_with_loaders_of_its_own_has_no_data(tmp_path):
    space = read(str(write("tests.foreign.earlier:Plane", None, tmp_path)))
    assert (space.trainable, space.data) == ("tests.foreign.earlier:Plane", None)
    assert space.about == "Fits a plane; logs by step, and an image where the logger takes one."
    assert space.params == {"lr": Range(3e-4, 3e-2, log=True)}


@pytest.mark.slow
def test_the_written_space_can_be_searched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["new", "tests.foreign.autoencoder"])
    assert result.exit_code == 0, result.stderr
    assert "python -m search check space=autoencoder.yaml" in result.stdout
    outcome = start(resolve(["space=autoencoder.yaml", "engine=local", "trials=2", "epochs=1", "name=r"]))
    assert (outcome.folder / "results" / "trials.parquet").exists()
