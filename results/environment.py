"""Environment of a run: software versions, machine and git commit, recorded at each start and resume."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.files import write_text

FILE = "environment.json"
PACKAGES = ("ladder-search", "torch", "lightning", "ray", "optuna", "timm", "numpy")


def record(run: Path) -> None:
    """Appends the current environment to the run's `environment.json`."""
    records = [*read(run), describe()]
    write_text(run / FILE, json.dumps(records, indent=2))


def read(run: Path) -> list[dict[str, Any]]:
    """The recorded environments, oldest first; empty if there are none, or the file is damaged.

    They are for the reader of the report alone, so a damaged file stops nothing; the next record replaces it.
    """
    try:
        records = json.loads((run / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    keys = {"at", "python", "versions", "system", "commit"}
    whole = isinstance(records, list) and all(isinstance(one, dict) and keys <= one.keys() for one in records)
    return records if whole else []


def describe() -> dict[str, Any]:
    """Time, machine, versions of Python and of the installed PACKAGES, and commit of the current folder."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions(PACKAGES),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "commit": commit(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each of the packages that is installed."""
    installed = {}
    for name in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed


def commit() -> str | None:
    """The git commit of the current folder, marked if files differ from it; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--dirty=, with changes", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
