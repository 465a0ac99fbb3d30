"""The commands of README and guide, run word by word, on the real images and with fewer trials."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DATA
from tests.search.command import ROOT, invoke

# The local engine starts in no time; tests/search/cli/test_cli.py searches on Ray.
SMALLER = {
    "trials=30": "trials=4 epochs=1 lanes=4 engine=local",
    "top=3": "top=1",
    "seeds=5": "seeds=1",
}
GUIDE = ["run", "show", "confirm", "report", "export", "fit", "predict"]


def commands(page: str, heading: str) -> list[str]:
    """The Python commands of the first block under a heading of a page."""
    block = re.search(rf"## {heading}\n.*?```\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert block
    return [line for line in block[1].splitlines() if line.startswith("python -m ")]


def run(command: str, folder: Path) -> None:
    """Runs a command, made smaller, in a folder.

    A search and a training are processes of their own. The other commands run in this one, which has loaded
    PyTorch already.
    """
    for text, smaller in SMALLER.items():
        command = command.replace(text, smaller)
    words = shlex.split(command.replace("FOLDER", str(DATA / "mnist")))
    assert words[:2] == ["python", "-m"]
    if words[2] == "search" and words[3] != "run":
        with contextlib.chdir(folder):
            invoked = invoke(*words[3:])
        assert invoked.exit_code == 0, f"{command}\n{invoked.stdout}\n{invoked.stderr}\n{invoked.exception!r}"
        return
    result = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


@pytest.mark.slow
def test_the_guide_works_word_by_word(shared_data, tmp_path):
    guide = commands("docs/guide.md", "A first search")
    assert [shlex.split(command)[3] for command in guide] == GUIDE
    for command in guide:
        run(command, tmp_path)
    assert (tmp_path / "runs/first/report.html").exists()
    assert (tmp_path / "runs/first/best/model.ckpt").exists()
    assert list((tmp_path / "predicted").iterdir())


@pytest.mark.slow
def test_the_example_of_the_readme_works_word_by_word(tmp_path):
    example = commands("README.md", "An example")
    assert [shlex.split(command)[3] for command in example] == ["run", "confirm", "show", "export"]
    for command in example:
        run(command, tmp_path)
    assert (tmp_path / "runs/first/report.html").exists()
    assert (tmp_path / "runs/first/best/model.ckpt").exists()


def test_every_path_in_the_tree_of_the_readme_exists():
    tree = re.search(r"## The tree\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree
    folders = [ROOT]  # of each level of the tree
    for line in tree[1].splitlines():
        names, *description = re.split(r" {2,}", line.strip(), maxsplit=1)
        assert description, f"no description: {line}"
        level = (len(line) - len(line.lstrip())) // 2
        paths = [folders[level] / name for name in names.split(" ")]
        assert all(path.exists() for path in paths), line
        folders[level + 1 :] = [paths[0]]
