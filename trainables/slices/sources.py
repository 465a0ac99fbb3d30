"""Where sections come from."""

from collections.abc import Mapping
from typing import Any

from trainables.slices import phantom
from trainables.slices.cutting import Volume


def volume_of(options: Mapping[str, Any]) -> Volume | None:
    """The volume behind a run's data, for pictures of cuts; None where there is none (`data=quicknii`)."""
    if options.get("source", "phantom") == "phantom":
        return phantom.volume(options.get("image_size", 64))
    return None
