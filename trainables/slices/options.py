"""Options of the sources of sections, checked before any file is opened. Does not import PyTorch."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field

from spaces.validation import Rule, validate

SOURCES = ("phantom", "quicknii", "series", "volume", "atlas")
REAL_SOURCES = ("quicknii", "series")
FAMILIES = {"coronal": (0, 1, 2), "sagittal": (1, 0, 2), "horizontal": (0, 2, 1)}
"""Atlas axes of each family: the axes along an upright image's width, its depth and its height.

Images run down all of them: the left of a coronal section is high x, its top high z; the left of a sagittal
section is its front (high y); so is the top of a horizontal section.
"""
ROOTS = {
    "quicknii": ("FOLDER", "a folder of images and anchorings"),
    "series": ("FOLDER", "a folder of images and anchorings"),
    "volume": ("FILE", "a NIfTI, NRRD, TIFF or .npy file"),
}

Options = TypeVar("Options")
Text = Annotated[str | None, BeforeValidator(lambda value: None if value is None else str(value))]
Share = Annotated[float, Field(strict=True, ge=0, le=1), Rule("be a number from 0 to 1")]
Angle = Annotated[float, Field(strict=True, ge=0, le=45), Rule("be a number from 0 to 45")]
Weight = Annotated[float, Field(strict=True, ge=1e-6, le=1e6), Rule("be a number from 1e-06 to 1e+06")]
Family = Annotated[
    Literal["coronal", "sagittal", "horizontal"] | None, Rule(f"be one of {', '.join(FAMILIES)}")
]
Flag = Annotated[bool | None, Field(strict=True), Rule("be true or false")]
Length = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
VoxelSize = Annotated[
    Length | tuple[Length, ...] | None, Rule("be a positive number of µm (three for a volume)")
]
Pixels = Annotated[int, Field(strict=True, ge=32), Rule("be a whole number >= 32")]
TrainCount = Annotated[int, Field(strict=True, ge=2), Rule("be a whole number >= 2")]
Count = Annotated[int, Field(strict=True, ge=1), Rule("be a whole number >= 1")]


@dataclass(frozen=True)
class Artifacts:
    """Shares of sections, within [0, 1], that get an artifact.

    `damage`: folds, lost pieces, bubbles, uneven light and blur; `hemi`: one hemisphere is missing;
    `turned`: the image is upside down.
    """

    damage: float = 0.0
    hemi: float = 0.0
    turned: float = 0.0

    @property
    def any(self) -> bool:
        return bool(self.damage or self.hemi or self.turned)


@dataclass(frozen=True)
class SourceOptions:
    """One source: its kind, its files, and how sections are cut from it."""

    source: str = "phantom"
    root: Text = None
    name: Text = None
    orientation: Text = None
    voxel_um: VoxelSize = None
    family: Family = None
    angle: Angle = 3.0
    damage: Share = 0.0
    dark: Share = 0.06
    hemi: Share = 0.0
    turned: Share = 0.0
    fresh: Flag = None
    weight: Weight = 1.0

    @property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.damage, self.hemi, self.turned)

    @property
    def cuts_each_epoch(self) -> bool:
        """Whether each epoch trains on new cuts. By default the phantom is cut once, other volumes anew."""
        return self.source != "phantom" if self.fresh is None else self.fresh

    def path(self) -> Path:
        return Path(str(self.root)).expanduser().resolve()


@dataclass(frozen=True)
class Sizes:
    """Pixels a side of an image, and the number of sections of each split."""

    image_size: Pixels = 64
    train: TrainCount = 256
    val: Count = 128
    test: Count = 128


SOURCE_KEYS = tuple(field.name for field in fields(SourceOptions))
SIZE_KEYS = tuple(field.name for field in fields(Sizes))
SHARED_KEYS = tuple(key for key in SOURCE_KEYS if key not in ("source", "root", "name", "weight"))


def parse_sizes(options: Mapping[str, Any]) -> Sizes:
    """The sizes among `options` (SliceData's arguments).

    Raises ValueError with one line if a size is not a whole number or is too small.
    """
    return _validated(Sizes, options, "data.")


def parse_source_options(options: Mapping[str, Any]) -> tuple[SourceOptions, ...]:
    """The sources among `options` (SliceData's arguments): those of `sources`, otherwise a single one.

    An entry of `sources` inherits the other options, except `source`, `root`, `name` and `weight`. Raises
    ValueError with one line if a value breaks its rule, an entry has an unknown key, or a source lacks
    its file, folder or name.
    """
    entries = options.get("sources")
    if entries is None:
        return (_parse_source(options, "data."),)
    if isinstance(entries, str) or not isinstance(entries, Sequence) or not entries:
        raise ValueError(f"data.sources={entries!r} must be a list such as [{{source: phantom, weight: 1}}]")
    shared = {key: options[key] for key in SHARED_KEYS if key in options}
    parsed = []
    for number, entry in enumerate(entries):
        where = f"data.sources[{number}]."
        if not isinstance(entry, Mapping) or "source" not in entry:
            raise ValueError(f"data.sources[{number}]={entry!r} must name its source, as {{source: phantom}}")
        for key in entry:
            if key not in SOURCE_KEYS:
                raise ValueError(f"{where}{key}: no such option; known are {', '.join(SOURCE_KEYS)}")
        parsed.append(_parse_source({**shared, **entry}, where))
    return tuple(parsed)


def _parse_source(values: Mapping[str, Any], where: str) -> SourceOptions:
    name = str(values.get("source", "phantom"))
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"{where}source={name}: no such data, the nearest is {near}; known are {', '.join(SOURCES)}"
        )
    options = _validated(SourceOptions, values, where)
    if isinstance(options.voxel_um, tuple) and options.source != "volume":
        raise ValueError(
            f"{where}voxel_um is {list(options.voxel_um)}, but must be one number for data={options.source} "
            f"({where}voxel_um=...)"
        )
    if options.source in ROOTS and not options.root:
        kind, need = ROOTS[options.source]
        raise ValueError(f"data={options.source} needs {need}; set {where}root={kind}")
    if options.source == "atlas" and not options.name:
        raise ValueError(
            f"data=atlas needs an atlas's name; set {where}name= to one such as allen_mouse_25um"
        )
    if options.hemi and options.family == "sagittal":
        raise ValueError(f"{where}hemi={options.hemi:g}: a sagittal section has no halves; set {where}hemi=0")
    return options


def _validated(kind: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """The options in `values`; keys that are not their fields are ignored."""
    known = {key: values[key] for key in kind.__dataclass_fields__ if key in values}  # type: ignore[attr-defined]
    options: Options = validate(kind, known, lambda key, *_: f"{where}{key}", "{}=...")
    return options
