"""Options of the sources of sections, checked before any file is opened. Does not import PyTorch."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

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

Model = TypeVar("Model", bound=BaseModel)
# The description of a field is the rule that an error message states.
Text = Annotated[str | None, BeforeValidator(lambda value: None if value is None else str(value))]
Share = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Lengths = Annotated[tuple[Length, ...], Field(strict=False)]  # a YAML list is a tuple too


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


class SourceOptions(BaseModel):
    """One source: its kind, its files, and how sections are cut from it. Hashable."""

    model_config = ConfigDict(frozen=True, strict=True)

    source: str = "phantom"
    root: Text = None
    name: Text = None
    orientation: Text = None
    voxel_um: Length | Lengths | None = Field(
        default=None, description="a positive number of µm (three for a volume)"
    )
    family: Literal["coronal", "sagittal", "horizontal"] | None = Field(
        default=None, description=f"one of {', '.join(FAMILIES)}"
    )
    angle: float = Field(default=3.0, ge=0, le=45, description="a number from 0 to 45")
    damage: Share = 0.0
    dark: Share = 0.06
    hemi: Share = 0.0
    turned: Share = 0.0
    fresh: bool | None = Field(default=None, description="true or false")
    weight: float = Field(default=1.0, ge=1e-6, le=1e6, description="a number from 1e-06 to 1e+06")

    @property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.damage, self.hemi, self.turned)

    @property
    def cuts_each_epoch(self) -> bool:
        """Whether each epoch trains on new cuts. By default the phantom is cut once, other volumes anew."""
        return self.source != "phantom" if self.fresh is None else self.fresh

    def path(self) -> Path:
        return Path(str(self.root)).expanduser().resolve()


class Sizes(BaseModel):
    """Pixels a side of an image, and the number of sections of each split."""

    model_config = ConfigDict(frozen=True, strict=True)

    image_size: int = Field(default=64, ge=32, description="a whole number from 32 up")
    train: int = Field(default=256, ge=2, description="a whole number from 2 up")
    val: int = Field(default=128, ge=1, description="a whole number from 1 up")
    test: int = Field(default=128, ge=1, description="a whole number from 1 up")


SOURCE_KEYS = tuple(SourceOptions.model_fields)
SIZE_KEYS = tuple(Sizes.model_fields)
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
        raise _invalid(SourceOptions, "voxel_um", values, where)
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


def _validated(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """The model of `values`; keys that are not its fields are ignored."""
    try:
        return model(**values)
    except ValidationError as error:
        raise _invalid(model, str(error.errors()[0]["loc"][0]), values, where) from error


def _invalid(model: type[BaseModel], key: str, values: Mapping[str, Any], where: str) -> ValueError:
    """One line: the value, the rule (the field's description), and where to change it."""
    rule = model.model_fields[key].description
    return ValueError(f"{where}{key}={values[key]!r} must be {rule}; set {where}{key}=")
