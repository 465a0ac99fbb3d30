"""Keeps the terminal for the view: what libraries print, here or in a worker, goes to a file."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


class CapturedOutput:
    """File descriptors 1 and 2 as a file; `console` still writes to where they pointed before."""

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.saved = (os.dup(1), os.dup(2))
        self.console = Console(file=os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace"))
        self.early = tempfile.TemporaryFile()  # noqa: SIM115 (closed by end)
        self._point(self.early.fileno())

    def keep(self, path: Path) -> None:
        """From now on everything goes to the end of `path`, what came before first."""
        self.early.seek(0)
        with open(path, "ab") as file:
            file.write(self.early.read())
            file.flush()
            self._point(file.fileno())

    def end(self) -> None:
        """Gives the terminal back."""
        sys.stdout.flush()
        sys.stderr.flush()
        for number, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        self.early.close()

    def _point(self, descriptor: int) -> None:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)


@contextmanager
def capture_output() -> Iterator[CapturedOutput]:
    """A CapturedOutput that ends with the block."""
    noise = CapturedOutput()
    try:
        yield noise
    finally:
        noise.end()
