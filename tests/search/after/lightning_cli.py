"""Lightning's commands on an exported model, and the metrics that they log."""

import csv
import sys
from pathlib import Path

import pytest

from trainables.__main__ import CLI


def lightning(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Runs `python -m trainables` with the arguments in this process."""
    quiet = "--trainer.enable_progress_bar=false"
    monkeypatch.setattr(sys, "argv", ["trainables", *map(str, arguments), quiet])
    CLI(auto_configure_optimizers=False, load_from_checkpoint_support=False)


def logged_metrics(folder: Path) -> dict[str, list[float]]:
    """The values that CSVLogger wrote below the folder, by metric."""
    with open(next(folder.glob("lightning_logs/*/metrics.csv"))) as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}
