"""The invariants of a run's files hold after a search, and each is violated by the fault that it is for."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from benchmarks.faults.invariants import Seen, seen, trials, violations
from tests.search.command import ROOT

NOTHING = Seen({}, {})


@pytest.fixture
def folder(tmp_path):
    """The run of a search with packs that came to its end."""
    command = [sys.executable, "-m", "benchmarks.faults.driver", str(tmp_path / "r"), "1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return tmp_path / "r"


def found(folder, before=NOTHING):
    return list(violations(folder, before, ended=True))


def best(folder):
    """A complete trial."""
    return next(trial for trial in trials(folder) if trial.state == "complete")


@pytest.mark.slow
def test_each_fault_is_found(folder):
    assert found(folder, seen(folder)) == []
    assert found(folder, Seen({(99, 0): 0.5}, {})) == ["seen before, but not in the journal: [(99, 0)]"]
    (folder / "results" / ".trials.parquet.7").touch()
    assert found(folder) == ["results/.trials.parquet.7 is left over"]
    (folder / "results" / ".trials.parquet.7").unlink()

    checkpoint = folder / best(folder).checkpoint
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:-1])
    assert best(folder).checkpoint in found(folder)[0]
    checkpoint.write_bytes(content)

    table = folder / "results" / "rungs.parquet"
    pq.write_table(pq.read_table(table).slice(1), table)
    assert found(folder) == ["the tables lack what the journal has"]


@pytest.mark.slow
def test_a_journal_with_an_epoch_twice_is_found(folder):
    journal = folder / "study.log"
    lines = journal.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if '"user_attr":{"rung/1"' in line)
    entry = json.loads(lines[place])
    rows = entry["user_attr"]["rung/1"]["epochs"]
    rows.append(dict(rows[0]))
    journal.write_text("\n".join([*lines[:place], json.dumps(entry), *lines[place + 1 :]]) + "\n")
    assert "an epoch is there twice" in found(folder)
