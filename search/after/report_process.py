"""The report at the end of a run, made in a process of its own.

Its pictures need PyTorch, which takes seconds to load. So the process begins with the search, loads it
whenever a processor would be idle, and waits until the run has ended. The process that searches does without
PyTorch, and closes its engine meanwhile.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self


class ReportProcess:
    """Makes one report: `load`, early; `begin`; `finish`. Its process ends with the block."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.folder: Path | None = None

    def load(self) -> subprocess.Popen[str]:
        """Starts the process, if that has not been done."""
        if self.process is None:
            pipe = subprocess.PIPE
            command = [sys.executable, "-m", "search.after.report_process"]
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        return self.process

    def begin(self, folder: Path) -> None:
        """Begins the report of a run that has ended."""
        self.folder, waiting = folder, self.load().stdin
        assert waiting
        with suppress(BrokenPipeError):  # the process has died; `finish` says so
            waiting.write(f"{folder}\n")
            waiting.flush()

    def finish(self) -> str:
        """Waits for the report and returns the line to say, of a failure too: the run itself is done."""
        process = self.load()
        try:
            out, errors = process.communicate()
        except KeyboardInterrupt:
            return f"the report was interrupted; make it with: python -m search report {self.folder}"
        if process.returncode:
            reason = (errors.strip().splitlines() or [f"code {process.returncode}"])[-1]
            return f"the report can't be made: {reason.removeprefix('error: ')}"
        return f"report: {out.strip()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


def wait() -> None:
    """What the process does. It ends, too, when the one that began it has died."""
    loading = Thread(target=load, daemon=True)
    loading.start()
    folder = sys.stdin.readline().strip()
    if not folder:
        os._exit(0)  # at once, for the thread may be amid an import
    command = ["report", folder]
    if loading.is_alive():  # the processors were never idle: begin anew, at full priority
        os.execv(sys.executable, [sys.executable, "-m", "search", *command])
    from search.cli.commands import app

    app(command)


def load() -> None:
    """Loads what a report needs. To be called in a thread, for threads have priorities of their own."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    from trainables.training.memory import importing

    with importing():
        from search.after import report  # noqa: F401


if __name__ == "__main__":
    wait()
