"""300 mutations of each kind of file that is read: each ends in one line, or the file is read rightly."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.search.command import ROOT

MUTATIONS = 300
MEGABYTES = 2000  # that reading may add to the memory of the process
IN_MEMORY = Path("/dev/shm")  # Linux keeps files in memory there; each mutation has a folder of its own


@pytest.mark.slow
@pytest.mark.parametrize("group", ["spaces", "runs", "models", "data"])
def test_mutations_end_in_one_line_or_are_read(group):
    command = [sys.executable, "-m", "tests.fuzz.worker", f"files_of_{group}", str(MUTATIONS)]
    folder = str(IN_MEMORY) if IN_MEMORY.is_dir() else tempfile.gettempdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "TMPDIR": folder}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800)
    assert ran.returncode == 0, f"the process died: {ran.stderr[-2000:]}"
    kinds = [json.loads(line) for line in ran.stdout.splitlines()]
    assert kinds
    assert {kind["kind"]: kind["failures"] for kind in kinds if kind["failures"]} == {}
    assert {kind["kind"]: kind["grown"] for kind in kinds if kind["grown"] > MEGABYTES} == {}
    for kind in kinds:
        assert kind["read"] + kind["refused"] == MUTATIONS
