"""Anchoring files: round trips, real files, and refused files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from trainables.slices.planes import quicknii
from trainables.slices.planes.quicknii import Section, Series

FORMATS = ("json", "xml", "csv")
GOOD = [480.5, 230.25, 337.1, -507.3, 0.7, 6.2, -8.1, 1.3, -385.9]


def series(count: int = 3) -> Series:
    sections = tuple(
        Section(f"a & b_s{i:03}.png", (480.1 + i / 3, 1e-7, *GOOD[2:]), 1024, 670, nr=5 * i)  # type: ignore[arg-type]
        for i in range(count)
    )
    return Series("brain <1>", "ABA_Mouse_CCFv3_2017_25um.cutlas", "someone", sections)


@pytest.mark.parametrize("ending", FORMATS)
def test_reading_inverts_writing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"brain.{ending}"
    quicknii.write(series(), path)
    again = quicknii.read(path)
    assert again.sections == series().sections  # to the last bit
    if ending != "csv":  # DeepSlice's CSV has no columns for the fields of the series
        assert again == series()
    assert list(tmp_path.iterdir()) == [path]


def test_csv_has_deepslice_s_columns_and_the_depth_of_the_centre(tmp_path: Path) -> None:
    quicknii.write(series(1), tmp_path / "brain.csv")
    with open(tmp_path / "brain.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == ["Filenames", *quicknii.AXES, "width", "height", "nr", "depths"]
    assert float(row["depths"]) == pytest.approx(1e-7 + GOOD[4] / 2 + GOOD[7] / 2)


def test_real_files_agree_and_round_trip(shared_data: Path, tmp_path: Path) -> None:
    glta = shared_data / "glta"
    first, *others = (quicknii.read(glta / f"glta.{ending}") for ending in FORMATS)
    assert len(first.sections) == 28
    assert quicknii.atlas(first.target) == quicknii.Atlas((456, 528, 320), 25.0, 228.0)
    assert first.sections[0].anchoring[0] == 488.54515910267946
    assert others[0].name == "examples/example_brain/GLTa"  # stored as a namespace
    for other in others:
        assert other.sections == first.sections
    for ending in FORMATS:
        quicknii.write(first, tmp_path / f"again.{ending}")
        assert quicknii.read(tmp_path / f"again.{ending}").sections == first.sections
    with open(glta / "glta.csv", newline="") as theirs, open(tmp_path / "again.csv", newline="") as ours:
        assert next(csv.reader(theirs)) == next(csv.reader(ours))


def test_quicknii_s_own_xml_with_slices_not_yet_anchored(tmp_path: Path) -> None:
    path = tmp_path / "brain.xml"
    anchoring = "&amp;".join(f"{axis}={number}" for axis, number in zip(quicknii.AXES, GOOD, strict=True))
    path.write_text(
        f"""<?xml version='1.0' encoding='UTF-8'?>
        <series first='1' last='2' name='mine' target='WHS_SD_Rat_v3_39um.cutlas'>
          <slice filename='s001.png' nr='1' width='800' height='600'/>
          <slice filename='s002.png' nr='2' width='800' height='600' anchoring='{anchoring}'/>
        </series>"""
    )
    read = quicknii.read(path)
    assert [section.filename for section in read.sections] == ["s002.png"]
    assert read.sections[0].anchoring == tuple(GOOD)
    assert read.name == "mine"
    assert quicknii.atlas(read.target) == quicknii.ATLASES["WHS_SD_Rat_v4_39um"]


def test_unknown_atlas_is_none() -> None:
    assert quicknii.atlas("my_own_atlas") is None


def slices(**change: object) -> str:
    """The text of a JSON file with one valid slice and one changed by `change`."""
    good = {"filename": "s1.png", "anchoring": GOOD, "width": 10, "height": 10, "nr": 1}
    return json.dumps({"target": "", "slices": [good, good | {"filename": "s2.png"} | change]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (slices(anchoring=[float("nan"), *GOOD[1:]]), "s2.png"),
        (slices(anchoring=[float("inf"), *GOOD[1:]]), "s2.png"),
        (slices(anchoring=[0] * 9), "s2.png has no area"),
        (slices(anchoring=[1, 2, 3, 4, 5, 6, 8, 10, 12]), "s2.png has no area"),
        (slices(anchoring=GOOD[:8]), "nine finite numbers"),
        (slices(anchoring=["x", *GOOD[1:]]), "s2.png"),
        (slices(nr="one"), "s2.png"),
        (slices(filename="s1.png"), "section s1.png is listed 2 times"),
        (slices(filename=""), "slice 2 has no filename"),
        (slices(filename=None), "slice 2 has no filename"),
        (slices(filename="/etc/s2.png"), "leaves the folder"),
        (slices(filename="C:\\s2.png"), "leaves the folder"),
        (slices(filename="a/../../s2.png"), "leaves the folder"),
        (slices(filename="..\\s2.png"), "leaves the folder"),
        ("{", "not JSON"),
        ("[]", "not laid out"),
        ('{"slices": 3}', "not laid out"),
        ('{"slices": []}', "no section has an anchoring"),
    ],
)
def test_bad_json_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path / "brain.json", text, message)


BOMB = """<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><series name="&b;"/>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "not XML that can be read safely"),
        ("<series>", "not XML that can be read safely"),
        ("<series><slice filename='s1.png' anchoring='ox=1&amp;oy=2'/></series>", "s1.png"),
        ("<series><slice anchoring='ox=1&amp;oy=2'/></series>", "slice 1 has no filename"),
        ("<series/>", "no section has an anchoring"),
    ],
)
def test_bad_xml_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path / "brain.xml", text, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Filenames"),
        ("Filenames,ox,oy\na.png,1,2\n", "oz"),
        (f"Filenames,{','.join(quicknii.AXES)}\na.png,1,2\n", "a.png"),
        (f"Filenames,{','.join(quicknii.AXES)}\n", "no section has an anchoring"),
    ],
)
def test_bad_csv_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    refused(tmp_path / "brain.csv", text, message)


def test_other_bytes_and_endings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "brain.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        quicknii.read(tmp_path / "brain.json")
    with pytest.raises(ValueError, match=r"\.json, \.xml, \.csv"):
        quicknii.write(series(), tmp_path / "brain.yaml")


def test_sections_without_sizes_are_read(tmp_path: Path) -> None:
    unsized = replace(series(1).sections[0], width=0, height=0)
    (tmp_path / "brain.csv").write_text(
        f"Filenames,{','.join(quicknii.AXES)}\n{unsized.filename},{','.join(map(str, unsized.anchoring))}\n"
    )
    assert quicknii.read(tmp_path / "brain.csv").sections == (replace(unsized, nr=0),)


def refused(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        quicknii.read(path)
    line = str(caught.value)
    assert message in line
    assert str(path) in line
    assert "\n" not in line
