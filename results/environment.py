"""What a run runs on: versions, machine and git commit, each time it is begun or gone on with."""

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.files import write_text

FILE = "environment.json"
PACKAGES = ("ladder-search", "torch", "lightning", "ray", "optuna", "timm", "numpy")


def record(run: Path) -> None:
    """Adds what is true now to the run's `environment.json`."""
    found = [*read(run), describe()]
    write_text(run / FILE, json.dumps(found, indent=2))


def read(run: Path) -> list[dict[str, Any]]:
    """A record for each time that the run was begun or gone on with, first to last."""
    path = run / FILE
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return found


def describe() -> dict[str, Any]:
    """The machine and the software, and the commit of the folder that the command was given in."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "commit": commit(),
    }


def commit() -> str | None:
    """The git commit of the current folder, marked where files differ from it; None without one."""
    try:
        ask = ["git", "describe", "--always", "--dirty=, with changes", "--abbrev=12", "--exclude=*"]
        return subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
