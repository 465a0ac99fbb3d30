"""The README's guide, command by command, on the real images where they are and on little of everything."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import DATA

ROOT = Path(__file__).parents[1]
QUICK = {"trials=30": "trials=4 epochs=2 grace=1 lanes=4", "top=3": "top=1", "seeds=5": "seeds=2"}


def guide() -> list[str]:
    """The commands of the guide's first block."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"## Guide.*?```\n(.*?)```", text, re.DOTALL)
    assert block
    return [line for line in block[1].splitlines() if line.startswith("python -m ")]


def test_the_guide_works_word_by_word(shared_data, tmp_path):
    commands = guide()
    assert [shlex.split(command)[3] for command in commands] == [
        *["run", "show", "confirm", "report", "export"],
        *["fit", "predict"],
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for command in commands:
        for words, fewer in QUICK.items():
            command = command.replace(words, fewer)
        command = command.replace("FOLDER", str(DATA / "mnist"))
        done = subprocess.run(
            [sys.executable, *shlex.split(command)[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "runs/first/report.html").exists()
    assert (tmp_path / "runs/first/best/model.ckpt").exists()
    assert list((tmp_path / "predicted").iterdir())


def test_every_file_that_the_readme_names_is_there():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (ROOT / path).exists(), path
    tree = re.search(r"## The tree\n\n```\n(.*?)```", text, re.DOTALL)
    assert tree
    folder = ROOT
    for line in tree[1].splitlines():
        if not line.startswith("  "):
            folder = ROOT / line.split()[0]
            assert folder.exists(), line
        else:
            files = line.strip().split("  ")[0].split(" ")
            assert (folder / files[0]).exists(), line
            assert all((folder / name).exists() for name in files if name.endswith((".py", ".yaml"))), line
