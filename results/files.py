"""Files that are written whole or not at all, and that outlive a power cut once the writer goes on.

Their modes are those of any file that the user creates: the umask decides, or the folder's own rules.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.\d+")  # name of a temporary file: a dot, the name, the process


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to; at the end of the block it is on disk and becomes `path`.

    After an exception in the block `path` is as before, and the temporary file is gone.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors puts a file of its own there, which nobody else can read
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_text(path: Path, text: str) -> Path:
    """Writes a UTF-8 file as `replacing` does, and returns `path`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
    return path


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Deletes the temporary files that killed writers have left in a folder."""
    if folder.is_dir():
        for path in folder.iterdir():
            if TEMPORARY.fullmatch(path.name) and path.is_file():
                path.unlink()
