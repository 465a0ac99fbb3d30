"""What was predicted of a series, and its files: anchorings, the table, and what known planes show."""

import csv
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.slices.planes import quicknii
from trainables.slices.predict import evaluation, propagate

Array = np.ndarray[Any, Any]
FORMATS = ("json", "xml", "csv")


@dataclass(frozen=True)
class Predictions:
    """Predicted sections, in the order of their numbers."""

    names: list[str]
    sizes: list[tuple[int, int]]  # width and height of the files, in pixels
    numbers: Array  # int64 (N,)
    planes: Array  # float64 (N, 9), in voxels
    spread_um: Array  # float64 (N,): the members' median distance from their median plane; NaN for one member
    inferred: Array  # bool (N,): marked as bad, so taken from the neighbours
    beyond: list[str]  # which of the nine numbers lie beyond the training planes' range, "" for none


@dataclass(frozen=True)
class Frame:
    """The atlas that planes lie in."""

    target: str  # its name in QuickNII's files
    voxel_um: float
    axis: int  # 0, 1 or 2 for x, y, z: what depths are measured along


def write(
    sections: Predictions, frame: Frame, name: str, true: Mapping[str, Array] | None, out: Path
) -> list[str]:
    """Writes `series.json`, `.xml`, `.csv` and `sections.csv`, and `truth.png` if `true` planes are known.

    `name` is the series', `true` has planes (9,) by image file. Returns what is to be said.
    """
    series = quicknii.Series(name, frame.target, aligner(), tuple(anchored(sections)))
    for ending in FORMATS:
        quicknii.write(series, out / f"series.{ending}")
    columns: dict[str, Sequence[Any]] = {
        "filename": sections.names,
        "nr": sections.numbers.tolist(),
        "depth_um": rounded(frame.voxel_um * propagate.centres(sections.planes)[:, frame.axis], 1),
        "uncertainty_um": rounded(np.where(sections.inferred, np.nan, sections.spread_um), 1),
        "extrapolated": sections.beyond,
        "inferred": ["yes" if inferred else "" for inferred in sections.inferred],
    }
    said = []
    if count := sum(map(bool, sections.beyond)):
        said.append(f"{count} sections lie beyond the training planes' range (sections.csv: extrapolated)")
    if true is not None:
        errors, lines = compared(sections, frame, true, out / "truth.png")
        columns |= errors
        said += lines
    with open(out / "sections.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return said


def aligner() -> str:
    """What anchoring files say of who made them."""
    return f"ladder_{importlib.metadata.version('ladder-search')}"


def anchored(sections: Predictions) -> list[quicknii.Section]:
    planes, numbers = sections.planes.tolist(), sections.numbers.tolist()
    return [
        quicknii.Section(name, tuple(plane), width, height, number)
        for name, plane, (width, height), number in zip(
            sections.names, planes, sections.sizes, numbers, strict=True
        )
    ]


def rounded(values: Array, digits: int) -> list[float | str]:
    """Cells of a table; what is not known is empty."""
    return ["" if np.isnan(value) else round(value, digits) for value in values.tolist()]


def known(path: Path, target: str) -> tuple[dict[str, Array], list[str]]:
    """The planes in an anchoring file by image file, and lines on those that can't be meant.

    Raises ValueError if the file can't be read or is for another atlas than `target`.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path} (--truth FILE)")
    refused: list[str] = []
    series = quicknii.read(path, refused)
    theirs, ours = quicknii.atlas(series.target), quicknii.atlas(target)
    if theirs and ours and theirs != ours:
        raise ValueError(f"{path} is for the atlas {series.target}, but the models predict in {target}")
    planes = {Path(section.filename).name: np.array(section.anchoring) for section in series.sections}
    return planes, [f"{line}; it is not compared" for line in refused]


def compared(
    sections: Predictions, frame: Frame, true: Mapping[str, Array], plot: Path
) -> tuple[dict[str, Sequence[Any]], list[str]]:
    """Columns of the table, and lines: how far the sections of known plane are off. Draws the `plot`."""
    rows = [row for row, name in enumerate(sections.names) if name in true]
    missing = sorted(set(true) - set(sections.names))
    lines = [f"of known plane, but not among the predicted sections: {some(missing)}"] if missing else []
    if not rows:
        return {}, [*lines, "no predicted section has a known plane"]
    planes = np.stack([true[sections.names[row]] for row in rows])
    errors = evaluation.errors(sections.planes[rows], planes, frame.voxel_um)
    depths = frame.voxel_um * propagate.centres(planes)[:, frame.axis]
    beyond = np.array([bool(sections.beyond[row]) for row in rows])
    evaluation.plot(depths, errors.distance_um, beyond, plot)

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
    return columns, [*lines, evaluation.said(errors)]


def some(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    few = ", ".join(names[:3])
    return few if len(names) <= 3 else f"{few} and {len(names) - 3} more"
