"""Output: where a run writes. The command line owns the output of its process; a Python program shares it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from rich.console import Console


class Output(ABC):
    """The screen of a run. `console` writes to it, `terminal` is a file descriptor for last words."""

    console: Console
    terminal: int
    owns_process: bool  # whether signals, and the output of libraries, are the run's

    @abstractmethod
    def keep(self, path: Path) -> None:
        """Appends what libraries have written to `path`, and from now on all, if the run owns the output."""


@final
class SharedOutput(Output):
    """The output of a program that goes on after the run: a script's, or a notebook cell's."""

    owns_process = False

    def __init__(self) -> None:
        self.console, self.terminal = Console(), 2

    def keep(self, path: Path) -> None:
        """Nothing: the output is the program's."""


@contextmanager
def shared_output() -> Iterator[Output]:
    """The output of the program, for the block."""
    yield SharedOutput()
