"""Compatibility with earlier versions of Ladder: renamed keys and moved import paths."""

from collections.abc import Mapping
from typing import Any

RENAMED = {"weights_seed": "init_seed"}
MOVED = {
    "trainables.slices.data:SliceData": "trainables.slices.sections.data:SliceData",
    "trainables.slices.prepare:prepare": "trainables.slices.sections.prepare:prepare",
    "trainables.slices.sections:prepare": "trainables.slices.sections.prepare:prepare",
    "trainables.slices.predict:SlicePredictor": "trainables.slices.predict.predictor:SlicePredictor",
}


def rename_keys(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`values` with renamed keys under their present names, and a note for each.

    Raises ValueError if a key is there under both names.
    """
    notes = []
    for old, new in RENAMED.items():
        if old in values:
            if new in values:
                raise ValueError(f"{old} is now called {new}, and both are set; remove {old}=...")
            notes.append(f"{old} is now called {new}")
    return {RENAMED.get(key, key): value for key, value in values.items()}, tuple(notes)


def upgrade(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a run's config.yaml with the present keys and import paths."""
    values, _ = rename_keys(plain)
    return {
        key: MOVED.get(value, value) if isinstance(value, str) else value for key, value in values.items()
    }
