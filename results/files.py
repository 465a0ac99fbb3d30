"""Text files that are written whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Writes a UTF-8 file under a temporary name, renames it to `path`, and returns `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)
    return path
