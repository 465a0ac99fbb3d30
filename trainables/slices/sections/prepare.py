"""Checks of the data before a run begins, so that mistakes are reported at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.slices.options import REAL_SOURCES, SourceOptions, parse_sizes, parse_source_options
from trainables.slices.sections import anchored

PHANTOM = "phantom-1"  # increase the number when the phantom's sections change


def prepare(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks data options (SliceData's arguments), the files that they name, and the file `weights`.

    Returns `content`, a name that changes when the data does, and `root` or `sources` with absolute paths.
    Decodes images that are not in the cache yet. Raises ValueError with one line if an option is invalid, or
    if a file is missing or can't be used.
    """
    sizes, sources = parse_sizes(options), parse_source_options(options)
    weights = options.get("weights")
    if weights is not None and not Path(weights).is_file():
        raise ValueError(f"there is no weights file {weights} (weights=PATH)")
    if any(source.source != "phantom" for source in sources):
        from trainables.slices.sections.sources import make_sources  # imports PyTorch

        make_sources(options, options.get("seed", 0), reload=True)
    contents = [_content(source, sizes.image_size) for source in sources]
    if options.get("sources") is None:
        root = {"root": str(sources[0].path())} if sources[0].root else {}
        return {"content": contents[0], **root}
    entries = [
        {**entry, "root": str(source.path())} if source.root else dict(entry)
        for entry, source in zip(options["sources"], sources, strict=True)
    ]
    return {"content": hashlib.sha256(" ".join(contents).encode()).hexdigest()[:32], "sources": entries}


def _content(source: SourceOptions, image_size: int) -> str:
    if source.source in REAL_SOURCES:
        return anchored.content(source.path(), image_size)
    if source.source == "volume":
        stat = source.path().stat()
        return f"volume {stat.st_size} {stat.st_mtime_ns}"
    return PHANTOM if source.source == "phantom" else f"atlas {source.name}"
