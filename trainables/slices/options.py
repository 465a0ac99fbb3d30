"""What a run's options say of its sources of sections, checked before any file is opened. Without PyTorch."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SOURCES = ("phantom", "quicknii", "series", "volume", "atlas")
REAL = ("quicknii", "series")
SHARES = ("damage", "dark", "hemi", "turned")
LOWEST = {"image_size": 32, "train": 2, "val": 1, "test": 1}
FAMILIES = {"coronal": (0, 1, 2), "sagittal": (1, 0, 2), "horizontal": (0, 2, 1)}
"""By name: the atlas axes along which an upright section is wide, deep and high.

Images run down all of them: a coronal section's left is high x, its top high z; a sagittal section's left
is its front (high y); so is the top of a horizontal one.
"""


@dataclass(frozen=True)
class Wear:
    """Shares of sections within [0, 1]: `damage` have folded, have lost pieces, have bubbles over them,
    uneven light and blur; `hemi` are one half; `turned` lie upside down."""

    damage: float = 0.0
    hemi: float = 0.0
    turned: float = 0.0

    @property
    def any(self) -> bool:
        return bool(self.damage or self.hemi or self.turned)


@dataclass(frozen=True)
class Wanted:
    """One source: which it is, where, and how sections are cut from it."""

    source: str = "phantom"
    root: str | None = None
    name: str | None = None
    orientation: str | None = None
    voxel_um: float | tuple[float, ...] | None = None
    family: str | None = None
    angle: float = 3.0
    damage: float = 0.0
    dark: float = 0.06
    hemi: float = 0.0
    turned: float = 0.0
    fresh: bool | None = None
    weight: float = 1.0

    @property
    def wear(self) -> Wear:
        return Wear(self.damage, self.hemi, self.turned)

    @property
    def cuts_anew(self) -> bool:
        """Whether every epoch has sections of its own. The phantom's are cut once unless asked for."""
        return self.source != "phantom" if self.fresh is None else self.fresh

    def path(self) -> Path:
        return Path(str(self.root)).expanduser().resolve()


KEYS = tuple(field.name for field in fields(Wanted))


def wanted(options: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """The sources that `options` (SliceData's arguments) ask for. Raises ValueError with one line.

    What an entry of `sources` does not say of itself holds for it as for a source alone.
    """
    for key, lowest in LOWEST.items():
        value = options.get(key, lowest)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise ValueError(f"data.{key}={value!r} must be a whole number from {lowest} up; set data.{key}=")
    entries = options.get("sources")
    own = {key: value for key, value in options.items() if key in KEYS}
    if entries is None:
        return (_one(own, "data."),)
    if isinstance(entries, str) or not isinstance(entries, Sequence) or not entries:
        raise ValueError(f"data.sources={entries!r} must be a list such as [{{source: phantom, weight: 1}}]")
    shared = {key: value for key, value in own.items() if key not in ("source", "root", "name", "weight")}
    found = []
    for number, entry in enumerate(entries):
        where = f"data.sources[{number}]."
        if not isinstance(entry, Mapping) or "source" not in entry:
            raise ValueError(f"data.sources[{number}]={entry!r} must name its source, as {{source: phantom}}")
        for key in entry:
            if key not in KEYS:
                raise ValueError(f"{where}{key}: no such option; known are {', '.join(KEYS)}")
        found.append(_one({**shared, **entry}, where))
    return tuple(found)


def _one(values: Mapping[str, Any], where: str) -> Wanted:
    one = Wanted(
        **{key: value for key, value in values.items() if key != "voxel_um"}, voxel_um=_sizes(values)
    )
    if one.source not in SOURCES:
        near = difflib.get_close_matches(str(one.source), SOURCES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"{where}source={one.source}: no such data, the nearest is {near}; known are {', '.join(SOURCES)}"
        )
    needs = {"quicknii": "a folder of images and anchorings", "series": "a folder of images and anchorings"}
    needs |= {"volume": "a NIfTI, NRRD, TIFF or .npy file"}
    if one.source in needs and not one.root:
        kind = "FILE" if one.source == "volume" else "FOLDER"
        raise ValueError(f"data={one.source} needs {needs[one.source]}; set {where}root={kind}")
    if one.source == "atlas" and not one.name:
        raise ValueError(
            f"data=atlas needs an atlas's name; set {where}name= to one such as allen_mouse_25um"
        )
    if one.family is not None and one.family not in FAMILIES:
        raise ValueError(
            f"{where}family={one.family} must be one of {', '.join(FAMILIES)}; set {where}family="
        )
    for key in SHARES:
        _number(f"{where}{key}", getattr(one, key), 0, 1)
    _number(f"{where}angle", one.angle, 0, 45)
    _number(f"{where}weight", one.weight, 1e-6, 1e6)
    if one.fresh is not None and not isinstance(one.fresh, bool):
        raise ValueError(f"{where}fresh={one.fresh!r} must be true or false; set {where}fresh=")
    if one.hemi and one.family == "sagittal":
        raise ValueError(f"{where}hemi={one.hemi:g}: a sagittal section has no halves; set {where}hemi=0")
    return one


def _number(key: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key}={value!r} must be a number from {low:g} to {high:g}; set {key}=")


def _sizes(values: Mapping[str, Any]) -> float | tuple[float, ...] | None:
    """`voxel_um` checked: a number, or for volumes three."""
    given: Any = values.get("voxel_um")
    several = isinstance(given, Sequence) and not isinstance(given, str) and values.get("source") == "volume"
    for size in given if several else [given] * (given is not None):
        if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < float("inf"):
            raise ValueError(
                f"data.voxel_um={given!r} must be a positive number of µm (three for a volume); "
                "set data.voxel_um="
            )
    return tuple(given) if several else given
