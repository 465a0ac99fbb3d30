"""The panel of the progress view in a Jupyter notebook: one output of the cell that is drawn again."""

import io
from typing import Any, final

from rich.console import Console, RenderableType

WIDTH = 100  # columns
PAGE = '<pre style="white-space:pre;overflow-x:auto;line-height:1.3">{code}</pre>'


@final
class NotebookPanel:
    """Draws where rich's Live draws in a terminal. Needs IPython, which a notebook has."""

    def __init__(self) -> None:
        self.handle: Any = None

    def start(self) -> None:
        """Nothing is shown yet."""

    def update(self, panel: RenderableType, *, refresh: bool) -> None:
        """Draws the panel in place of the last one."""
        from IPython.display import HTML, display

        console = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
        console.print(panel)
        page = HTML(console.export_html(inline_styles=True, code_format=PAGE))
        if self.handle is None:
            self.handle = display(page, display_id=True)
        else:
            self.handle.update(page)

    def stop(self) -> None:
        """The last drawing stays."""
