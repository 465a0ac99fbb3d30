"""The benchmark of many nodes at its smallest size."""

import json

import pytest

from benchmarks import scale
from benchmarks.scale import PARTS, ROWS, Row, Settings, measure


@pytest.mark.parametrize("sampler", ["random", "tpe", "ladder"])
def test_smallest_size(sampler, tmp_path, capsys):
    file = tmp_path / "scale.json"
    scale.main(["--trials", "60", "--workers", "20", "--sampler", sampler, "--tables", "--json", str(file)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("|") for line in lines[: ROWS + 3]] == [len(scale.HEAD) + 1] * (ROWS + 3)
    assert lines[-1].startswith("peak of the memory: ")
    found = json.loads(file.read_text())
    assert [row["trials"] for row in found["rows"]] == [*range(6, 61, 6), 60]
    assert all(set(row["ms"]) == set(PARTS) for row in found["rows"])
    assert [row["busy"] for row in found["rows"]][-2:] == [1.0, 0.0]
    assert found["rows"][-1]["journal"] > found["rows"][0]["journal"] > 0


def test_the_digest_is_that_of_the_decisions():
    rows: list[Row] = []
    small = Settings(trials=20, workers=4)
    first = measure(small, rows.append)
    assert first == measure(Settings(trials=20, workers=4, tables=True), rows.append)
    assert first != measure(Settings(trials=20, workers=4, seed=1), rows.append)
    assert first != measure(Settings(trials=20, workers=5), rows.append)
    assert sum(row.jobs for row in rows[: ROWS + 1]) >= 20


def test_packs(capsys):
    scale.main(["--trials", "30", "--workers", "3", "--lanes", "0"])
    assert "jobs" in capsys.readouterr().out
