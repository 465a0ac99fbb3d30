"""Spaces that name the configuration of a LightningCLI or Hydra project."""

import shutil
from pathlib import Path

import pytest
import yaml

from search.config.run_config import from_plain, resolve
from spaces.project import Project
from spaces.read import read

PROJECTS = Path(__file__).parents[1] / "projects"
RATE = "model.init_args.optimizer.init_args.lr"


@pytest.fixture
def cli(tmp_path):
    """The folder of a LightningCLI project."""
    shutil.copytree(PROJECTS / "cli", tmp_path / "cli")
    return tmp_path / "cli"


@pytest.fixture
def template(tmp_path):
    """The folder of a Hydra project."""
    shutil.copytree(PROJECTS / "template", tmp_path / "template")
    return tmp_path / "template"


def edit(folder, old, new, file="space.yaml"):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return str(folder / "space.yaml")


def test_a_lightning_configuration_names_module_and_data_and_the_default(cli):
    space = read(str(cli / "space.yaml"))
    assert (space.trainable, space.data) == ("digits.model:Classifier", "digits.data:Digits")
    assert space.default() == {
        "model.init_args.net.init_args.dropout": 0.1,
        "model.init_args.optimizer.class_path": "torch.optim.Adam",
        RATE: 0.003,
        "data.init_args.batch_size": 64,
    }


def test_a_hydra_configuration_is_composed_and_keeps_its_interpolations(template):
    space = read(str(template / "space.yaml"))
    assert space.trainable == "src.models.digits_module:DigitsLitModule"
    assert space.project.config["data"]["data_dir"] == "${paths.data_dir}"
    assert space.default()["model.optimizer.lr"] == 0.001


def test_overrides_of_hydra_compose_another_configuration(template):
    path = edit(
        template, "hydra: configs/train.yaml", "hydra: {config: configs/train.yaml, overrides: [seed=3]}"
    )
    assert read(path).project.config["seed"] == 3


@pytest.mark.parametrize("project", ["cli", "template"])
def test_a_run_keeps_the_content_of_the_configuration(project, request):
    folder = request.getfixturevalue(project)
    config = resolve([f"space={folder / 'space.yaml'}"])
    again = from_plain(yaml.safe_load(yaml.safe_dump(config.plain())), "config.yaml")
    assert again.plain() == config.plain()


def test_a_parameter_is_changed_by_its_dotted_path(cli):
    space = f"space={cli / 'space.yaml'}"
    config = resolve([space, f"param.{RATE}.high=0.5", "param.data.init_args.batch_size=32"])
    assert config.space.params[RATE].high == 0.5
    assert config.space.params["data.init_args.batch_size"].options == (32,)


def test_another_class_takes_its_own_arguments_alone(cli):
    project = read(str(cli / "space.yaml")).project
    place = "model.init_args.optimizer"
    made = project.with_values({f"{place}.init_args.lr": 0.1, f"{place}.class_path": "torch.optim.SGD"})
    assert made["model"]["init_args"]["optimizer"] == {
        "class_path": "torch.optim.SGD",
        "init_args": {"lr": 0.1},
    }
    same = project.with_values({f"{place}.init_args.lr": 0.1})
    assert same["model"]["init_args"]["optimizer"]["init_args"]["eps"] == 1e-8
    assert project.config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 0.003


def test_a_class_that_the_program_has_is_named_beside_the_configuration():
    project = Project("lightning", {"model": {"width": 3}}, model="package.module.Net")
    assert (project.trainable, project.data_class) == ("package.module:Net", None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "net.init_args.dropout",
            "net.init_arg.dropout",
            r"space.yaml:4: params.* is not in the conf.*did you",
        ),
        (
            "data.init_args.batch_size",
            "dta.init_args.batch_size",
            "'dta' is not in the configuration; did you",
        ),
        (
            "lightning: config.yaml",
            "lightning: confg.yaml",
            "space.yaml:1: lightning: .*confg.yaml can't be re",
        ),
        ("lightning: config.yaml", "trainable: a.b:C\nlightning: config.yaml", "are both given"),
        (
            "lightning: config.yaml",
            "data: a.b:C\nlightning: config.yaml",
            "space.yaml:1: data is 'a.b:C', but",
        ),
        ("lightning: config.yaml", "lightning: 3", "must be the path of a configuration"),
        ("lightning: config.yaml", "lightning: {config: config.yaml, modl: a.B}", "modl is no known field"),
        ("lightning: config.yaml\n", "", "a space has one of trainable, lightning, hydra, but none is given"),
    ],
)
def test_a_mistake_is_named_with_its_place(cli, old, new, message):
    with pytest.raises(ValueError, match=message) as error:
        read(edit(cli, old, new))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "file", "message"),
    [
        ("model.optimizer.lr:", "model.optimiser.lr:", "space.yaml", "did you mean 'model.optimizer.lr'"),
        ("- data: digits", "- data: digts", "configs/train.yaml", "can't be composed: .*digts"),
        ("hydra: configs/train.yaml", "hydra: configs/trian.yaml", "space.yaml", "there is no such file"),
        ("_target_: src.models", "target: src.models", "configs/model/digits.yaml", "model names no class"),
    ],
)
def test_a_mistake_in_a_hydra_project(template, old, new, file, message):
    with pytest.raises(ValueError, match=message) as error:
        read(edit(template, old, new, file))
    assert "\n" not in str(error.value)
