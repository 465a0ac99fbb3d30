"""A folder of section images: its files, their section numbers, and their pixels, decoded a few at a time."""

import csv
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from trainables.slices.sections.images import Decoded, decode

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2", ".pgm", ".ppm")
NUMBER = re.compile(r"_s(\d+)(?!.*_s\d)", re.IGNORECASE)  # the last _sNNN of a name, as in the QUINT workflow
AHEAD = 2  # images per thread that are decoded or queued: memory does not grow with the series


def image_files(source: Path) -> list[Path]:
    """The image files in the folder `source`, sorted by name, or the one file that it is.

    Raises ValueError if `source` does not exist or has no images.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ValueError(f"there is no folder {source} to predict; give a folder of section images")
    candidates = (path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    paths = sorted(path for path in candidates if path.is_file() and path.name[0] != ".")
    if not paths:
        raise ValueError(f"{source} has no images ({', '.join(SUFFIXES)}); give a folder of section images")
    return paths


def assign_numbers(
    paths: Sequence[Path], file: Path | None, required: bool
) -> tuple[list[tuple[Path, int]], list[str]]:
    """The images with their section numbers, and a message for each problem with a number.

    Numbers come from `_sNNN` in the file names, or from `file` (see `read_numbers`). An image without a
    number, or with the number of an earlier image, is left out if numbers are `required`; otherwise all
    images are numbered from 1 in the order of their names.
    Raises ValueError if `file` is malformed, or if numbers are required and no image has one.
    """
    listed = None if file is None else read_numbers(file)
    numbered: dict[int, Path] = {}
    problems = []
    for path in paths:
        number = number_in_name(path.name) if listed is None else listed.get(path.name, listed.get(path.stem))
        if number is None:
            reason = f"it is not in {file}" if file else "no _sNNN in its name and no --numbers FILE"
            problems.append(f"section {path.name} has no number ({reason})")
        elif number in numbered:
            problems.append(f"section {path.name} has the number {number} of {numbered[number].name}")
        else:
            numbered[number] = path
    if problems and not required:
        message = f"{problems[0]}, so all are numbered from 1 in the order of their names"
        return [(path, number) for number, path in enumerate(paths, start=1)], [message]
    if not numbered:
        raise ValueError(f"no section has a number: {problems[0]}")
    messages = [f"{problem}; it is left out" for problem in problems]
    return [(path, number) for number, path in numbered.items()], messages


def number_in_name(name: str) -> int | None:
    """NNN of the last `_sNNN` in a file name; None without one."""
    match = NUMBER.search(Path(name).stem)
    return int(match[1]) if match else None


def read_numbers(file: Path) -> dict[str, int]:
    """Section numbers by file name, from lines `name,number` (separated by comma, semicolon or tab).

    A header line is skipped. Raises ValueError if the file can't be read, a later line is malformed, or no
    line has a name and a number.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{file} can't be read ({error}); --numbers FILE must have lines name,number"
        ) from error
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


def decode_images(paths: Sequence[Path], sizes: Sequence[int]) -> Iterator[Decoded | ValueError]:
    """Yields each image at all of `sizes`, or the error that kept it from being read, in order of `paths`.

    Several threads decode ahead of the caller, at most AHEAD images each.
    """
    threads = os.cpu_count() or 1
    remaining = iter(paths)
    with ThreadPoolExecutor(threads) as pool:  # Pillow and tifffile release the GIL while decoding
        pending: deque[Future[Decoded]] = deque()
        try:
            pending.extend(pool.submit(decode, path, sizes) for path in islice(remaining, AHEAD * threads))
            while pending:
                future = pending.popleft()
                error = future.exception()
                yield error if isinstance(error, ValueError) else future.result()
                pending.extend(pool.submit(decode, path, sizes) for path in islice(remaining, 1))
        finally:
            for future in pending:
                future.cancel()
