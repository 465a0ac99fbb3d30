"""The output of `show`: text and tables on the terminal."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from results.store import Run, open_run, write_confirmed, write_trials
from search.cli.tables import drop_columns, print_run, print_table

CONFIG = {"space": "s", "trials": 2, "objective": {"metric": "val/f", "mode": "min"}}
CONFIG |= {"grace": 1, "eta": 3, "epochs": 3}
PARAMS = {"net": ["mlp", "cnn"], "depth": {"low": 1, "high": 4, "when": {"net": "mlp"}}}
TYPES = {"net": pa.string(), "depth": pa.int64()}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two trials; the parameter `depth` is active in the worse one only."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "params": PARAMS}, sort_keys=False))
    shared = {"state": "complete", "epochs": 3, "seconds": 1.0}
    write_trials(
        tmp_path,
        [
            {"trial": 0, "objective": 0.5, "param/net": "cnn", **shared},
            {"trial": 1, "objective": 0.6, "param/net": "mlp", "param/depth": 2, **shared},
        ],
        TYPES,
    )
    return open_run(tmp_path)


def test_inactive_parameters_are_not_shown(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_run(run)
    printed = capsys.readouterr().out.splitlines()
    lines = [line.split() for line in printed]
    assert printed[3] == "6 epochs, 2 s of device time; 3 epochs (50% of the time) went into the winner"
    assert printed[4] == "Too few trials with a value (2) to tell what more would bring: 20 are needed."
    assert [lines[2], *lines[5:]] == [
        ["net=cnn"],
        ["trial", "state", "epochs", "value", "time", "net", "depth"],
        ["0", "complete", "3", "0.5", "0:01", "cnn"],
        ["1", "complete", "3", "0.6", "0:01", "mlp", "2"],
    ]


def test_a_confirmation_without_a_complete_seed_is_shown(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"config": "trial 0", "trial": 0, "seed": 1}, {"config": "default", "trial": None, "seed": 2}]
    write_confirmed(run.path, [{**row, "state": "complete", "val": 0.5, "test": 0.5} for row in rows], TYPES)
    print_run(open_run(run.path))
    assert "not trained all configurations on any seed yet" in capsys.readouterr().out


def test_a_table_too_wide_for_the_terminal_is_transposed(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"column {number}": "a long cell" for number in range(9)}
    print_table([row, {**row, "column 8": None}])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ") == ["column 0", "a long cell", "a long cell"]
    assert [line.strip() for line in lines[1:]] == [
        *(f"column {number}  a long cell  a long cell" for number in range(1, 8)),
        "column 8  a long cell",
    ]
    print_table([{"run": "first", "best": 0.123456}])
    assert capsys.readouterr().out.splitlines()[1].split() == ["first", "0.1235"]


def test_parameters_that_do_not_fit_are_counted():
    row = {"trial": 1, "value": 0.5, "lr": 0.001, "momentum": 0.9, "decay": 0.01}
    assert drop_columns([row], 3, width=80) == [row]
    fits = len("trial  value  lr     momentum  decay")
    assert drop_columns([row], 3, width=fits) == [row]
    assert list(drop_columns([row], 3, width=fits - 1)[0]) == ["trial", "value", "lr", "+2 more"]
    assert list(drop_columns([row], 3, width=5)[0]) == ["trial", "value", "+3 more"]
