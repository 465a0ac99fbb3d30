"""Modules, data and Trainer arguments from the configurations of projects."""

import sys
from pathlib import Path

import pytest
import torch
from jsonargparse import Namespace, dict_to_namespace
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI

from spaces.lane import Lane
from spaces.project import Project
from spaces.read import read
from trainables.projects import hydra_config, lightning_cli
from trainables.projects.parts import Seeds
from trainables.training.build import make_parts
from trainables.training.setup import Setup
from trainables.training.train import train
from trainables.training.trainer_options import trainer_options

PROJECTS = Path(__file__).parents[2] / "projects"
CONFIG = {
    "width": 16,
    "model": {
        "net": {"class_path": "digits.model.Net", "init_args": {"dropout": 0.1}},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.003}},
    },
    "data": {"batch_size": 64},
}


@pytest.fixture(params=["cli", "template"])
def project(request, monkeypatch):
    """The project of a space, with its folder on the import path."""
    monkeypatch.syspath_prepend(PROJECTS / request.param)
    monkeypatch.delenv("PROJECT_ROOT", raising=False)
    yield read(str(PROJECTS / request.param / "space.yaml")).project
    for name in [name for name in sys.modules if name.partition(".")[0] in ("digits", "own", "src")]:
        del sys.modules[name]


def parts_of(project, seeds, files):
    """The parts of a project of either kind."""
    if project.kind == "lightning":
        return lightning_cli.parts(project, {}, seeds)
    return hydra_config.parts(project, {}, seeds, files)


cli = pytest.mark.parametrize("project", ["cli"], indirect=True)
template = pytest.mark.parametrize("project", ["template"], indirect=True)


@cli
def test_a_lightning_configuration_makes_nested_objects(project):
    values = {"model.init_args.net.init_args.widths": [8, 4], "data.init_args.batch_size": 32}
    parts = lightning_cli.parts(project, values, Seeds(0, 0))
    assert [layer.out_features for layer in parts.module.net.layers if hasattr(layer, "out_features")] == [
        8,
        4,
        10,
    ]
    assert isinstance(parts.module.configure_optimizers()[0][0], torch.optim.Adam)
    assert parts.data.batch_size == 32
    options = trainer_options(parts.trainer, {})
    assert options["gradient_clip_val"] == 1.0
    assert not options.keys() & {"max_epochs", "devices"}
    assert any(isinstance(callback, EarlyStopping) for callback in options["callbacks"])


def test_initial_weights_are_seeded_whatever_is_made_first(project, tmp_path):
    made = [parts_of(project, Seeds(seed, data), tmp_path) for seed, data in ((1, 0), (1, 5), (2, 0))]
    weights = [parts.module.net.layers[0].weight for parts in made]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@cli
def test_a_program_with_its_own_classes_and_links(project):
    own = Project(
        "lightning",
        CONFIG,
        cli="own.OwnCLI",
        model="digits.model.Classifier",
        data="digits.data.Digits",
    )
    parts = lightning_cli.parts(own, {"width": 8, "data.batch_size": 32}, Seeds(0, 0))
    assert parts.module.net.layers[0].out_features == 8
    assert parts.data.batch_size == 32


@cli
def test_what_lightning_cli_refuses_is_one_line(project):
    with pytest.raises(ValueError, match="LightningCLI refuses the configuration: ") as error:
        lightning_cli.parts(project, {"data.init_args.batch_size": "many"}, Seeds(0, 0))
    assert "\n" not in str(error.value)


@template
def test_a_hydra_configuration_makes_its_sections(project, tmp_path):
    files = tmp_path / "trial-00000"
    parts = hydra_config.parts(project, {"model.net.hidden_size": 8}, Seeds(0, 0), files)
    assert parts.module.net.layers[0].out_features == 8
    assert parts.data.hparams.data_dir == str(PROJECTS / "template" / "data/") + "/"
    options = trainer_options(parts.trainer, {})
    (saving,) = (one for one in options["callbacks"] if isinstance(one, ModelCheckpoint))
    assert saving.dirpath == str(files / "checkpoints")
    assert options["accelerator"] == "cpu"
    assert not any("ProgressBar" in type(one).__name__ for one in options["callbacks"])


@template
def test_what_hydra_cannot_make_is_one_line(project, tmp_path):
    broken = Project("hydra", {**project.config, "paths": {"data_dir": "${nowhere}"}})
    with pytest.raises(
        ValueError, match=r"data of the Hydra configuration can't be made: .*nowhere"
    ) as error:
        hydra_config.parts(broken, {}, Seeds(0, 0), tmp_path)
    assert "\n" not in str(error.value)


def test_a_pause_changes_nothing(project, tmp_path):
    """With the callbacks and schedules of the configuration."""
    objective = {"lightning": "val_acc", "hydra": "val/acc"}[project.kind]
    setup = Setup(project.trainable, project.data_class, {}, 0, 3, objective, "max", project=project)

    def train_to(first, last, start=None):
        out = tmp_path / f"{first}-{last}.safetensors"
        lane = Lane(0, {}, seed=1, start=start)
        return out, [report.metrics[0] for report in train(setup, [lane], first, last, str(out))]

    _, at_once = train_to(0, 3)
    paused, first = train_to(0, 1)
    _, rest = train_to(1, 3, str(paused))
    assert [*first, *rest] == at_once


@cli
def test_data_that_the_module_holds_is_of_one_trial(project):
    net = {"class_path": "digits.model.Net", "init_args": {"widths": [8]}}
    config = {"model": {"net": net}, "data": CONFIG["data"]}
    paths = {"cli": "own.HolderCLI", "model": "own.Holder", "data": "digits.data.Digits"}
    setup = Setup(
        "own:Holder", "digits.data:Digits", {}, 0, 3, "val_acc", project=Project("lightning", config, **paths)
    )
    one, two = (make_parts(setup, Lane(0, {}, seed=1)) for _ in range(2))
    assert one.module.data is one.data is not two.data
    assert one.data_key is two.data_key is None


def test_an_object_among_the_arguments_counts_by_its_section():
    class Linked(LightningCLI):
        def add_arguments_to_parser(self, parser):
            pass

    def key(rate, base=LightningCLI, **more):
        section = {"init_args": {"net": {"class_path": "torch.nn.Dropout", "init_args": {"p": rate}}}}
        call = (dict, {"net": torch.nn.Dropout(rate), "size": 8, **more})
        return lightning_cli.data_key(base, call, Namespace(data=dict_to_namespace(section)))

    assert key(0.1) is not None
    assert key(0.1) == key(0.1) != key(0.2)
    assert key(0.1, size=9) != key(0.1)
    assert key(0.1, linked=torch.nn.Tanh()) is None
    assert key(0.1, Linked) is None


def test_trials_with_the_same_data_share_it(project):
    setup = Setup(project.trainable, project.data_class, {}, 0, 3, "val_acc", project=project)
    size = {"lightning": "data.init_args.batch_size", "hydra": "data.batch_size"}[project.kind]
    rate = {"lightning": "model.init_args.optimizer.init_args.lr", "hydra": "model.optimizer.lr"}[
        project.kind
    ]

    def parts(**values):
        return make_parts(setup, Lane(0, {size: 32, rate: 0.1, **values}, seed=1))

    one, two, other = parts(), parts(**{rate: 0.2}), parts(**{size: 64})
    assert one.data is two.data
    assert one.data_key == two.data_key != other.data_key
    assert one.data_key is not None
    assert other.data is not one.data
