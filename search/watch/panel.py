"""The panel of the progress view: one drawing that is replaced by the next, in a terminal or a notebook."""

from abc import ABC, abstractmethod
from typing import final

from rich.console import Console, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment


class Panel(ABC):
    """A place for a drawing. Lines that are printed while it is shown stand above it."""

    @abstractmethod
    def start(self) -> None:
        """Before the first drawing."""

    @abstractmethod
    def draw(self, drawing: RenderableType) -> None:
        """Draws in place of the last drawing."""

    @abstractmethod
    def before_line(self) -> None:
        """A line is about to be printed."""

    @abstractmethod
    def after_line(self) -> None:
        """A line was printed."""

    @abstractmethod
    def stop(self) -> None:
        """There will be no further drawing."""


@final
class TerminalPanel(Panel):
    """Rich's Live, which is erased at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        # Output of others goes to run.log (capture.py), and must not be drawn above the panel.
        self.live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self.lengths: list[int] = []  # of the lines of the drawing on the screen

    def start(self) -> None:
        self.live.start()

    def draw(self, drawing: RenderableType) -> None:
        self.before_line()
        self.live.update(drawing, refresh=True)
        self.after_line()

    def before_line(self) -> None:
        """Erases the lines that the drawing has gained because the terminal has become narrower.

        A terminal wraps its lines anew, but rich erases as many lines as it has drawn.
        """
        wrapped = sum(max(0, length - 1) // self.console.width for length in self.lengths)
        erase_and_rise = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        self.console.control(*(Control(*erase_and_rise) for _ in range(wrapped)))

    def after_line(self) -> None:
        """Remembers the lengths of the lines of the drawing."""
        lines = self.console.render_lines(self.live.get_renderable(), pad=False)
        self.lengths = [Segment.get_line_length(line) for line in lines][: self.console.height]

    def stop(self) -> None:
        self.before_line()
        self.live.stop()
