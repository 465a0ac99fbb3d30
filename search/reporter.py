"""The report at the end of a run, made in a process of its own.

Its pictures need PyTorch, which takes seconds to load and one to leave; the process that searched does
without, and closes its engine meanwhile.
"""

import subprocess
import sys
from pathlib import Path


def begin(folder: Path) -> "subprocess.Popen[str]":
    """Begins the report of a run that has ended."""
    command = [sys.executable, "-m", "search", "report", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> str:
    """Waits for a report and returns the line to say. What went wrong is said there: the run is done."""
    try:
        out, errors = process.communicate()
    except KeyboardInterrupt:
        process.kill()
        return f"the report was interrupted; make it with: {again(process)}"
    if process.returncode:
        reason = (errors.strip().splitlines() or [f"code {process.returncode}"])[-1]
        return f"the report can't be made: {reason.removeprefix('error: ')}"
    return f"report: {out.strip()}"


def again(process: "subprocess.Popen[str]") -> str:
    """The command that makes the report."""
    assert isinstance(process.args, list)
    return " ".join(["python", *map(str, process.args[1:])])
