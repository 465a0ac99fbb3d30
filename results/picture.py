"""A picture of a model's predictions, made by the gallery of a space and shown in the report."""

import base64
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Picture:
    """A PNG image (the bytes of the file) or a piece of HTML, with a title and a caption."""

    title: str
    caption: str
    png: bytes = b""
    html: str = ""

    @property
    def source(self) -> str:
        """The image as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()
