"""A folder of section images to predict: which they are, their numbers, and their pixels, a few at a time."""

import csv
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from trainables.slices.sections.images import Decoded, decode

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".pgm", ".ppm")
NUMBER = re.compile(r"_s(\d+)(?!.*_s\d)", re.IGNORECASE)  # the last _sNNN of a name, as QUINT's tools number
AHEAD = 2  # images decoded or waiting for each thread: memory does not grow with the series


def images_at(source: Path) -> list[Path]:
    """The image files in a folder, or the one file, in the order of their names. Raises ValueError."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ValueError(f"there is no folder {source} to predict; give a folder of section images")
    paths = (path for path in source.iterdir() if path.suffix.lower() in ENDINGS and path.name[0] != ".")
    found = sorted(path for path in paths if path.is_file())
    if not found:
        raise ValueError(f"{source} has no images ({', '.join(ENDINGS)}); give a folder of section images")
    return found


def numbered(
    paths: Sequence[Path], file: Path | None, needed: bool
) -> tuple[list[tuple[Path, int]], list[str]]:
    """The images with their section numbers, and lines on what had to be done about numbers.

    Numbers come from `_sNNN` in the names, or from `file` (see `read_numbers`). Where they are `needed`, an
    image without a number, or with one that an image before it has, is left out. Otherwise all images are
    then counted in the order of their names. Raises ValueError if none is left.
    """
    given = None if file is None else read_numbers(file)
    taken: dict[int, Path] = {}
    lines = []
    for path in paths:
        number = number_in(path.name) if given is None else given.get(path.name, given.get(path.stem))
        if number is None:
            why = f"it is not in {file}" if file else "no _sNNN in its name and no --numbers FILE"
            lines.append(f"section {path.name} has no number ({why})")
        elif number in taken:
            lines.append(f"section {path.name} has the number {number} of {taken[number].name}")
        else:
            taken[number] = path
    if lines and not needed:
        return list(zip(paths, range(1, len(paths) + 1), strict=True)), [
            f"{lines[0]}, so all are numbered from 1 in the order of their names"
        ]
    if not taken:
        raise ValueError(f"no section has a number: {lines[0]}")
    return [(path, number) for number, path in taken.items()], [f"{line}; it is left out" for line in lines]


def number_in(name: str) -> int | None:
    """NNN of the last `_sNNN` in a file's name."""
    found = NUMBER.search(Path(name).stem)
    return int(found[1]) if found else None


def read_numbers(file: Path) -> dict[str, int]:
    """Section numbers by file name, from lines `name,number` (or `;`, or a tab); a line of titles is skipped.

    Raises ValueError with one line for a file that isn't that.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} can't be read ({error}); --numbers FILE is lines of name,number") from error
    separator = next((mark for mark in "\t;" if mark in text), ",")
    numbers: dict[str, int] = {}
    for count, row in enumerate(csv.reader(text.splitlines(), delimiter=separator), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        try:
            name, number = cells[0], int(cells[1])
        except (IndexError, ValueError) as error:
            if count == 1:
                continue
            raise ValueError(f"{file}, line {count} is {row}, but must be name,number") from error
        numbers[name] = number
    if not numbers:
        raise ValueError(f"{file} has no line of name,number")
    return numbers


def decoded(paths: Sequence[Path], sizes: Sequence[int]) -> Iterator[Decoded | ValueError]:
    """Each image at all of `sizes`, or why it can't be read, in order; several threads decode ahead."""
    threads = os.cpu_count() or 1
    left = iter(paths)
    with ThreadPoolExecutor(threads) as pool:  # Pillow and tifffile decode outside Python's lock
        waiting: deque[Future[Decoded]] = deque()
        try:
            waiting.extend(pool.submit(decode, path, sizes) for path in islice(left, AHEAD * threads))
            while waiting:
                future = waiting.popleft()
                error = future.exception()
                yield error if isinstance(error, ValueError) else future.result()
                waiting.extend(pool.submit(decode, path, sizes) for path in islice(left, 1))
        finally:
            for future in waiting:
                future.cancel()
