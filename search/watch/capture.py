"""Keeps the terminal for the progress view: the output of libraries and workers goes to a file."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from rich.console import Console

from results.text import without_home
from search.watch.output import Output


@final
class CapturedOutput(Output):
    """File descriptors 1 and 2 redirected to a file. `console` still writes to the terminal."""

    owns_process = True

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.saved = (os.dup(1), os.dup(2))
        self.console = Console(file=os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace"))
        self.terminal = self.saved[1]  # file descriptor of the standard error of before
        self.early = tempfile.TemporaryFile()  # noqa: SIM115 (closed by end)
        self._redirect(self.early.fileno())
        self.log: Path | None = None

    def keep(self, path: Path) -> None:
        """Appends the output so far to `path`, and from now on everything."""
        self.log = path
        self.early.seek(0)
        with open(path, "ab") as file:
            file.write(self.early.read())
            file.flush()
            self._redirect(file.fileno())

    def end(self) -> None:
        """Restores the terminal."""
        sys.stdout.flush()
        sys.stderr.flush()
        for number, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        self.early.close()
        if self.log:
            hide_home(self.log)

    def _redirect(self, descriptor: int) -> None:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)


def hide_home(path: Path) -> None:
    """Writes `~` for the user's home folder in a log. In place, for other processes may append to it."""
    with open(path, "r+b") as file:
        content = file.read().decode("utf-8", "surrogateescape")
        if (hidden := without_home(content)) != content:
            file.seek(0)
            file.write(hidden.encode("utf-8", "surrogateescape"))
            file.truncate()


@contextmanager
def capture_output() -> Iterator[CapturedOutput]:
    """Captures the output of the block."""
    output = CapturedOutput()
    try:
        yield output
    finally:
        output.end()
