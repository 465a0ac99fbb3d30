"""The benchmark of a GPU runs, at tiny sizes on the CPU."""

import json
from dataclasses import replace

import pytest

from benchmarks import gpu


def test_smallest_size(tmp_path, capsys):
    file = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--quick", "--json", str(file)])
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("CPU, PyTorch ")
    assert [line.split("|")[1].strip() for line in lines] == ["", "---", "mlp", "cnn", "xception, 71 px"]
    assert len({line.count("|") for line in lines}) == 1
    found = json.loads(file.read_text())
    for row in found["rows"]:
        assert all(speed > 0 for speed in row["packs"].values())
        assert row["ratio"] == max(row["packs"].values()) / row["process"] > 0


def test_slow_steps_are_fewer():
    taken = []
    for limit in (0.0, 1e9):
        count = len(taken)
        sizes = replace(gpu.QUICK, warm_up=3, limit=limit)
        assert gpu.step_seconds(lambda: taken.append(0), 5, sizes, "cpu") > 0
        assert len(taken) - count == (2 if limit == 0 else 8)


@pytest.mark.slow
def test_a_process_that_dies_is_not_waited_for(capsys):
    """On the meta device the fused optimizer can't be made."""
    assert gpu.process_speeds(gpu.QUICK, "meta") == {}
    assert "has died" in capsys.readouterr().err
