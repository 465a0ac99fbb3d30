"""The benchmark of faults: a few rounds of each kind end without a violation."""

import pytest

from benchmarks import chaos
from benchmarks.faults.injection import KINDS


@pytest.mark.slow
def test_rounds_of_each_fault(capsys):
    chaos.main(["--rounds", str(len(KINDS)), "--seed", "1"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [[kind, "1", "0"] for kind in sorted(KINDS)] + [["all", str(len(KINDS)), "0"]]


def test_violations_end_in_an_error(capsys):
    assert chaos.table(iter([("kill", []), ("kill", ["an epoch is there twice"])])) == 1
    assert "round 2, kill: an epoch is there twice" in capsys.readouterr().out
