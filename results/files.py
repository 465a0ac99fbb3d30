"""Text files that a reader never sees half of."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Writes a file in UTF-8 under a temporary name, renames it, and returns its path."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)
    return path
