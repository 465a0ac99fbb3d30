"""Anchorings in files: QuickNII's JSON and XML, and DeepSlice's CSV.

An anchoring is the plane of a section in atlas voxels, nine numbers ox oy oz ux uy uz vx vy vz (see
geometry.py). The formats are those of QuickNII (Puchades et al., PLoS ONE 2019) and DeepSlice (Carey et
al., Nat Commun 2023).
"""

import csv
import io
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from results.files import write_text

AXES = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")
Anchoring = tuple[float, float, float, float, float, float, float, float, float]
_Slice = tuple[dict[str, Any], Iterable[Any], str]  # fields, anchoring, its name in errors about the filename


@dataclass(frozen=True)
class Section:
    """One image of a series and its plane. `nr` is the section's number in the order of cutting."""

    filename: str
    anchoring: Anchoring
    width: int
    height: int
    nr: int


@dataclass(frozen=True)
class Series:
    """The anchored sections of one brain. `target` names the atlas; it is empty where the file has none."""

    name: str
    target: str
    aligner: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Atlas:
    """An atlas: `shape` (x, y, z) in voxels, `midline` the x of its plane of symmetry, None without one."""

    shape: tuple[int, int, int]
    voxel_um: float
    midline: float | None


# The Allen mouse atlas is symmetric by construction; the Waxholm rat is a single, slightly asymmetric brain.
ATLASES = {
    "ABA_Mouse_CCFv3_2017_25um": Atlas((456, 528, 320), 25.0, 228.0),
    "WHS_SD_Rat_v4_39um": Atlas((512, 1024, 512), 39.0, None),
}


def atlas(target: str) -> Atlas | None:
    """The atlas called `target`, or None if it is unknown.

    QuickNII's ending `.cutlas` is ignored, and all versions of the Waxholm atlas are one.
    """
    name = target.removesuffix(".cutlas")
    if name.startswith("WHS_") and name.endswith("_39um"):
        name = "WHS_SD_Rat_v4_39um"
    return ATLASES.get(name)


def read(path: str | os.PathLike[str], errors: list[str] | None = None) -> Series:
    """Reads a `.json`, `.xml` or `.csv` file. Sections without an anchoring are left out, as in QuickNII.

    Raises ValueError, naming file and section, if the file is malformed, has no anchored section or has a
    filename twice, and for a section whose anchoring or filename is invalid. With a list `errors`, invalid
    sections are left out instead and their messages, one line each, are appended to it.
    """
    path = Path(path)
    reader = _format(path, _READERS)
    try:
        series = reader(path, errors)
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deep for anchorings; save it from QuickNII") from error
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror})") from error
    except (LookupError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path}: not laid out as {path.suffix} anchorings are ({error!r})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8 ({error.reason})") from error
    if not series.sections:
        raise ValueError(f"{path}: no section has an anchoring; anchor some in QuickNII and save again")
    name, count = Counter(section.filename for section in series.sections).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{path}: section {name} is listed {count} times; keep one")
    return series


def write(series: Series, path: str | os.PathLike[str]) -> None:
    """Writes the series in the format of the file's ending; an existing file is replaced atomically.

    Raises ValueError if the ending is not `.json`, `.xml` or `.csv`.
    """
    path = Path(path)
    write_text(path, _format(path, _WRITERS)(series))


def _format(path: Path, formats: dict[str, Any]) -> Any:
    if path.suffix.lower() not in formats:
        raise ValueError(f"{path}: anchorings are read and written as {', '.join(formats)}; rename the file")
    return formats[path.suffix.lower()]


def _sections(path: Path, slices: Iterable[_Slice], errors: list[str] | None) -> tuple[Section, ...]:
    sections = []
    for fields, anchoring, where in slices:
        try:
            sections.append(_section(path, fields, anchoring, where))
        except ValueError as error:
            if errors is None:
                raise
            errors.append(str(error))
    return tuple(sections)


def _section(path: Path, fields: dict[str, Any], anchoring: Iterable[Any], where: str) -> Section:
    """Checks and converts one section; `where` names it in an error about its filename."""
    filename = fields.get("filename")
    if not isinstance(filename, str) or not filename.strip():
        raise ValueError(f"{path}: {where} has no filename; add it")
    where = f"section {filename}"
    windows = PureWindowsPath(filename)  # understands both kinds of slashes, and drives
    if windows.drive or windows.root or PurePosixPath(filename).is_absolute() or ".." in windows.parts:
        raise ValueError(f"{path}: {where} leaves the folder of the file; name images relative to it")
    try:
        numbers = [float(number) for number in anchoring]
        width, height, nr = (int(float(fields.get(key) or 0)) for key in ("width", "height", "nr"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: {where}: {error}; write numbers there") from error
    if len(numbers) != 9 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{path}: {where} has the anchoring {numbers}; nine finite numbers are needed")
    ox, oy, oz, ux, uy, uz, vx, vy, vz = numbers
    area = math.hypot(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    if area <= 1e-6 * math.hypot(ux, uy, uz) * math.hypot(vx, vy, vz):
        raise ValueError(f"{path}: {where} has no area (U x V = 0); anchor it again in QuickNII")
    return Section(filename, (ox, oy, oz, ux, uy, uz, vx, vy, vz), width, height, nr)


def _read_json(path: Path, errors: list[str] | None) -> Series:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    slices = (
        (fields, fields["anchoring"], f"slice {count}")
        for count, fields in enumerate(content["slices"], start=1)
        if fields.get("anchoring")
    )
    return Series(*_head(content), _sections(path, slices, errors))


def _head(fields: dict[str, Any]) -> tuple[str, str, str]:
    name, target, aligner = (str(fields.get(key) or "") for key in ("name", "target", "aligner"))
    return name, target, aligner


def _write_json(series: Series) -> str:
    slices = [
        {
            "filename": section.filename,
            "anchoring": section.anchoring,
            "height": section.height,
            "width": section.width,
            "nr": section.nr,
            "markers": [],
        }
        for section in series.sections
    ]
    content = {"name": series.name, "target": series.target, "aligner": series.aligner, "slices": slices}
    return json.dumps(content, indent=1) + "\n"


def _read_xml(path: Path, errors: list[str] | None) -> Series:
    head: dict[str, str] = {}
    slices: list[_Slice] = []
    try:
        for event, item in iterparse(path, events=("start-ns", "start")):
            if event == "start-ns":  # DeepSlice writes the attributes of the series as namespaces
                head[item[0]] = item[1]
            elif item.tag == "series":
                head |= item.attrib
            elif item.tag == "slice" and item.get("anchoring"):
                pairs = dict(pair.split("=", 1) for pair in item.get("anchoring").split("&") if "=" in pair)
                anchoring = [pairs.get(axis, "missing") for axis in AXES]
                slices.append((dict(item.attrib), anchoring, f"slice {len(slices) + 1}"))
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise ValueError(
            f"{path}: not XML that can be read safely ({error}); save it from QuickNII"
        ) from error
    return Series(*_head(head), _sections(path, slices, errors))


def _write_xml(series: Series) -> str:
    """The fields of DeepSlice's XML in their order, and the target.

    DeepSlice writes the fields of the series as namespaces; here they are attributes, as in QuickNII.
    """
    numbers = [section.nr for section in series.sections]
    head = {"first": str(min(numbers)), "last": str(max(numbers))}
    root = ElementTree.Element(
        "series", head | {"name": series.name, "aligner": series.aligner, "target": series.target}
    )
    for section in series.sections:
        anchoring = "&".join(
            f"{axis}={number!r}" for axis, number in zip(AXES, section.anchoring, strict=True)
        )
        sizes = {"height": str(section.height), "width": str(section.width), "nr": str(section.nr)}
        ElementTree.SubElement(root, "slice", {"anchoring": anchoring, "filename": section.filename} | sizes)
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _read_csv(path: Path, errors: list[str] | None) -> Series:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    missing = {"Filenames", *AXES} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"{path}: the columns {', '.join(sorted(missing))} are missing in the first line")
    slices = (
        ({**row, "filename": row["Filenames"]}, [row[axis] for axis in AXES], f"row {count}")
        for count, row in enumerate(rows, start=1)
    )
    return Series("", "", "", _sections(path, slices, errors))


def _write_csv(series: Series) -> str:
    """The columns of DeepSlice's CSV; `depths` is y at the section's centre.

    The depths in DeepSlice's own files may be older than its even spacing of the sections, and then do not
    match the anchorings. Neither program reads this column.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["Filenames", *AXES, "width", "height", "nr", "depths"])
    for section in series.sections:
        _, oy, _, _, uy, _, _, vy, _ = section.anchoring
        depth = oy + uy / 2 + vy / 2
        rows.writerow(
            [section.filename, *section.anchoring, section.width, section.height, section.nr, depth]
        )
    return text.getvalue()


_READERS: dict[str, Callable[[Path, list[str] | None], Series]] = {
    ".json": _read_json,
    ".xml": _read_xml,
    ".csv": _read_csv,
}
_WRITERS: dict[str, Callable[[Series], str]] = {".json": _write_json, ".xml": _write_xml, ".csv": _write_csv}
