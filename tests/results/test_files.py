"""Files that are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from results.files import replacing, sweep, write_text


def test_a_file_is_replaced_at_the_end(tmp_path):
    file = write_text(tmp_path / "a.txt", "old")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_writer_that_fails_leaves_the_file_as_it_was(tmp_path):
    file = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(OSError, match="disk"), replacing(file) as temporary:
        temporary.write_text("ne")
        raise OSError("disk full")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_only_files_of_killed_writers_are_swept(tmp_path):
    kept = {"a.txt", ".hidden", ".a.txt.old", "a.123", ".b.7"}
    for name in kept - {".b.7"}:
        (tmp_path / name).touch()
    (tmp_path / ".b.7").mkdir()
    (tmp_path / ".a.txt.123").touch()
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert {path.name for path in tmp_path.iterdir()} == kept


MODES = """
import os, sys
from pathlib import Path
import torch
from trainables.training.checkpoint import write
from results.files import write_text
os.umask(int(sys.argv[1], 8))
write_text(Path("text"), "t")
write(Path("tensors"), {"a": torch.zeros(3)})
Path("plain").write_text("p")
Path("folder").mkdir()
"""


@pytest.mark.parametrize("umask, file, folder", [("027", 0o640, 0o750), ("077", 0o600, 0o700)])
def test_the_umask_decides_who_reads(umask, file, folder, tmp_path):
    """Checkpoints too, which safetensors writes for their owner alone; in a process with that umask."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", MODES, umask]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"text": file, "tensors": file, "plain": file, "folder": folder}
