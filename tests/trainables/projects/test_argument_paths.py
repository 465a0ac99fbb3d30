"""Dotted paths of a space against the classes of a project."""

import shutil
import sys
from pathlib import Path

import pytest

from spaces.read import read
from trainables.projects import argument_paths

PROJECTS = Path(__file__).parents[2] / "projects"
OPTIMIZER = "model.init_args.optimizer"


@pytest.fixture
def check(request, tmp_path, monkeypatch):
    """`check("cli", old, new)`: checks the space of a project with a part of its text changed."""

    def check(project, old="", new="", more=""):
        folder = shutil.copytree(PROJECTS / project, tmp_path / project)
        monkeypatch.syspath_prepend(folder)
        text = (folder / "space.yaml").read_text()
        assert old in text
        (folder / "space.yaml").write_text(text.replace(old, new) + more)
        space = read(str(folder / "space.yaml"))
        argument_paths.check(space.project, space.params)

    yield check
    for name in [name for name in sys.modules if name.partition(".")[0] in ("digits", "src")]:
        del sys.modules[name]


@pytest.mark.parametrize("project", ["cli", "template"])
def test_the_arguments_of_a_projects_classes_are_accepted(project, check):
    check(project)


@pytest.mark.parametrize(
    ("project", "old", "new", "message"),
    [
        (
            "cli",
            "net.init_args.dropout",
            "net.init_args.droput",
            r"params.model.init_args.net.init_args.droput: digits.model.Net has no argument 'droput'; "
            r"did you mean 'dropout'\? \(in the space file\)",
        ),
        ("cli", "init_args.momentum", "init_args.momentun", "torch.optim.SGD has no argument 'momentun'"),
        ("cli", "torch.optim.SGD", "torch.optim.SDG", "there is no class torch.optim.SDG"),
        ("cli", "when: {model", "default: 0.9} # {model", "torch.optim.Adam has no argument 'momentum'"),
        ("template", "model.net.hidden_size", "model.net.hiden_size", "DenseNet has no argument 'hiden_size"),
        ("template", "optimizer.weight_decay", "optimizer.decay", "torch.optim.Adam has no argument 'decay'"),
    ],
)
def test_a_mistake_is_named_with_the_class(project, old, new, message, check):
    with pytest.raises(ValueError, match=message) as error:
        check(project, old, new)
    assert "\n" not in str(error.value)


def test_a_module_that_fails_on_import_is_named(check, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"broken\.Adam can't be imported: .*no_such_package"):
        check("cli", "[torch.optim.Adam, torch.optim.SGD]", "[broken.Adam, torch.optim.SGD]")


def test_any_argument_goes_to_a_class_that_passes_them_on(check, tmp_path, monkeypatch):
    (tmp_path / "passes_on.py").write_text("def Net(**options): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    net = "model.init_args.net.class_path: passes_on.Net\n"
    check("cli", "params:\n", f"params:\n  {net}", "  model.init_args.net.init_args.dropout_rate: [0.1]\n")
