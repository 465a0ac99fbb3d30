"""What is looked at before a run begins: its data, so that what is wrong there is said at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.slices.options import REAL, Wanted, wanted
from trainables.slices.sections import anchored

PHANTOM = "phantom-1"  # count up when the phantom's sections change


def prepare(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks data options (SliceData's arguments), the data behind them and `weights`, before a run begins.

    Returns `content`, which changes when the data does, and absolute paths for `root` or those in `sources`.
    All images are decoded here if they are not in the cache yet. Raises ValueError with one line.
    """
    asked = wanted(options)
    weights = options.get("weights")
    if weights is not None and not Path(weights).is_file():
        raise ValueError(f"there is no weights file {weights} (weights=PATH)")
    if any(one.source != "phantom" for one in asked):
        from trainables.slices.sections.sources import make_sources  # here, for it loads PyTorch

        make_sources(options, options.get("seed", 0), anew=True)
    contents = [_content(one, options.get("image_size", 64)) for one in asked]
    if options.get("sources") is None:
        root = {"root": str(asked[0].path())} if asked[0].root else {}
        return {"content": contents[0], **root}
    entries = [
        {**entry, "root": str(one.path())} if one.root else dict(entry)
        for entry, one in zip(options["sources"], asked, strict=True)
    ]
    return {"content": hashlib.sha256(" ".join(contents).encode()).hexdigest()[:32], "sources": entries}


def _content(one: Wanted, image_size: int) -> str:
    if one.source in REAL:
        return anchored.content(one.path(), image_size)
    if one.source == "volume":
        stat = one.path().stat()
        return f"volume {stat.st_size} {stat.st_mtime_ns}"
    return PHANTOM if one.source == "phantom" else f"atlas {one.name}"
