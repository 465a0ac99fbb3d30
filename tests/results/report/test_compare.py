"""The comparison of runs."""

from dataclasses import replace

import pytest

from results.report.compare import compare, differences, winners, write
from tests.results.made import make_run


def test_compare(tmp_path, monkeypatch):
    runs = [make_run(tmp_path, monkeypatch, 6, name, f"seed={seed}") for seed, name in enumerate("ab")]
    columns = compare(runs)
    assert [column.row()["run"] for column in columns] == ["a", "b"]
    assert [column.row()["best"] for column in columns] == [run.best()["objective"] for run in runs]
    assert differences(columns) == [("seed", [0, 1])]
    assert dict(winners(columns))["lr"] == [run.best()["param/lr"] for run in runs]
    html = write(columns, tmp_path / "page.html").read_text()
    assert "<title>a, b</title>" in html and "confirm NAME" in html and "different data" not in html
    changed = replace(
        columns[1], run=replace(runs[1], config={**runs[1].config, "options": {"root": "else"}})
    )
    assert "different data" in write([columns[0], changed], tmp_path / "page.html").read_text()

    with pytest.raises(ValueError, match="two runs"):
        compare(runs[:1])
    with pytest.raises(ValueError, match="named twice"):
        compare([runs[0], runs[0]])
    objective = {"metric": "val/loss", "mode": "max"}
    other = replace(runs[1], config={**runs[1].config, "objective": objective})
    with pytest.raises(ValueError, match=r"val/loss \(min\) and val/loss \(max\)"):
        compare([runs[0], other])
