"""The panel in a Jupyter notebook: one output of the cell that is drawn again."""

import io
from typing import Any, final

from rich.console import Console, RenderableType

from search.watch.panel import Panel

WIDTH = 100  # columns
PAGE = '<pre style="white-space:pre;overflow-x:auto;line-height:1.3">{code}</pre>'


@final
class NotebookPanel(Panel):
    """Draws with IPython, which a notebook has. The last drawing stays."""

    def __init__(self) -> None:
        self.handle: Any = None

    def start(self) -> None:
        pass  # a cell shows nothing before the first drawing

    def draw(self, drawing: RenderableType) -> None:
        from IPython.display import HTML, display

        console = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
        console.print(drawing)
        page = HTML(console.export_html(inline_styles=True, code_format=PAGE))
        if self.handle is None:
            self.handle = display(page, display_id=True)
        else:
            self.handle.update(page)

    def before_line(self) -> None:
        pass  # a line is an output of its own

    def after_line(self) -> None:
        pass  # likewise

    def stop(self) -> None:
        pass  # the last drawing stays
