"""What a space shows of its best model in the report."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture (the bytes of a PNG file) or a piece of HTML, with a title and a caption."""

    title: str
    caption: str
    png: bytes = b""
    html: str = ""

    @property
    def source(self) -> str:
        """The picture as a URL that holds all of it."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()
