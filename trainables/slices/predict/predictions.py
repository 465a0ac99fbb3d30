"""Predictions for one series, and the files written from them: anchorings, table, reference comparison."""

import csv
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from trainables.slices.planes import quicknii
from trainables.slices.predict import evaluation, propagate

Array = np.ndarray[Any, Any]
FORMATS = ("json", "xml", "csv")
LISTED_NAMES = 3  # file names that a message lists


@final
@dataclass(frozen=True)
class Predictions:
    """Predicted sections, sorted by section number."""

    names: list[str]  # of the image files
    sizes: list[tuple[int, int]]  # width and height of the files, in pixels
    numbers: Array  # int64 (N,)
    planes: Array  # float64 (N, 9), in voxels
    uncertainty_um: Array  # float64 (N,): median distance of the models from their median; NaN for one model
    inferred: Array  # bool (N,): marked as bad, so interpolated from the neighbours
    extrapolated: list[str]  # axes (quicknii.AXES) outside the range of the training planes; "" for none


@final
@dataclass(frozen=True)
class AtlasFrame:
    """The coordinate frame of the planes."""

    target: str  # the atlas's name in QuickNII's files
    voxel_um: float
    axis: int  # 0, 1 or 2 for x, y, z: the axis along which depths are measured


def write(
    sections: Predictions, frame: AtlasFrame, name: str, reference: Mapping[str, Array] | None, out: Path
) -> list[str]:
    """Writes `series.json`, `.xml`, `.csv` and `sections.csv`, and `truth.png` if there are reference planes.

    `name` is the name of the series. `reference` has planes (9,) by image file. Returns messages.
    """
    series = quicknii.Series(name, frame.target, aligner(), tuple(quicknii_sections(sections)))
    for extension in FORMATS:
        quicknii.write(series, out / f"series.{extension}")
    columns: dict[str, Sequence[Any]] = {
        "filename": sections.names,
        "nr": sections.numbers.tolist(),
        "depth_um": rounded(frame.voxel_um * propagate.centres(sections.planes)[:, frame.axis], 1),
        "uncertainty_um": rounded(np.where(sections.inferred, np.nan, sections.uncertainty_um), 1),
        "extrapolated": sections.extrapolated,
        "inferred": ["yes" if inferred else "" for inferred in sections.inferred],
    }
    messages = []
    if count := sum(map(bool, sections.extrapolated)):
        messages.append(
            f"{count} sections lie outside the range of the training planes (sections.csv: extrapolated)"
        )
    if reference is not None:
        error_columns, lines = compare(sections, frame, reference, out / "truth.png")
        columns |= error_columns
        messages += lines
    with open(out / "sections.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return messages


def aligner() -> str:
    """The `aligner` field of anchoring files: this program and its version."""
    return f"ladder_{importlib.metadata.version('ladder-search')}"


def quicknii_sections(sections: Predictions) -> list[quicknii.Section]:
    """The predictions as sections of an anchoring file."""
    planes, numbers = sections.planes.tolist(), sections.numbers.tolist()
    return [
        quicknii.Section(name, tuple(plane), width, height, number)
        for name, plane, (width, height), number in zip(
            sections.names, planes, sections.sizes, numbers, strict=True
        )
    ]


def rounded(values: Array, digits: int) -> list[float | str]:
    """Rounded table cells; NaN becomes an empty cell."""
    return ["" if np.isnan(value) else round(value, digits) for value in values.tolist()]


def read_reference(path: Path, target: str) -> tuple[dict[str, Array], list[str]]:
    """The planes (9,) in an anchoring file by image file, and a message for each invalid one.

    Raises ValueError if the file does not exist or can't be read, or is for another atlas than `target`.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path} (--truth FILE)")
    refused: list[str] = []
    series = quicknii.read(path, refused)
    file_atlas, run_atlas = quicknii.atlas(series.target), quicknii.atlas(target)
    if file_atlas and run_atlas and file_atlas != run_atlas:
        raise ValueError(f"{path} is for the atlas {series.target}, but the models predict in {target}")
    planes = {Path(section.filename).name: np.array(section.anchoring) for section in series.sections}
    return planes, [f"{line}; it is not compared" for line in refused]


def compare(
    sections: Predictions, frame: AtlasFrame, reference: Mapping[str, Array], plot: Path
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Errors of the sections that have a reference plane: table columns and messages. Writes the `plot`."""
    rows = [row for row, name in enumerate(sections.names) if name in reference]
    missing = sorted(set(reference) - set(sections.names))
    messages = []
    if missing:
        messages.append(f"with a reference plane, but not predicted: {abbreviated(missing)}")
    if not rows:
        return {}, [*messages, "no predicted section has a reference plane"]
    planes = np.stack([reference[sections.names[row]] for row in rows])
    errors = evaluation.plane_errors(sections.planes[rows], planes, frame.voxel_um)
    depths = frame.voxel_um * propagate.centres(planes)[:, frame.axis]
    extrapolated = np.array([bool(sections.extrapolated[row]) for row in rows])
    evaluation.plot(depths, errors.distance_um, extrapolated, plot)

    def column(values: Array, digits: int) -> list[float | str]:
        cells = np.full(len(sections.names), np.nan)
        cells[rows] = values
        return rounded(cells, digits)

    columns: dict[str, Sequence[Any]] = {
        "distance_um": column(errors.distance_um, 1),
        "depth_error_um": column(errors.depth_um, 1),
        "cut_error_degrees": column(errors.cut_degrees, 2),
        "turn_error_degrees": column(errors.turn_degrees, 2),
    }
    return columns, [*messages, evaluation.summary(errors)]


def abbreviated(names: Sequence[str]) -> str:
    """The first names, and the number of further ones."""
    listed = ", ".join(names[:LISTED_NAMES])
    return listed if len(names) <= LISTED_NAMES else f"{listed} and {len(names) - LISTED_NAMES} more"
