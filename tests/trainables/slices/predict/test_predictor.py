"""SlicePredictor: from a folder of images to QuickNII files, with models whose predictions are known."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from spaces.read import read as read_space
from tests.trainables.slices.predict.brightness import (
    UPRIGHT,
    BrightnessModel,
    Predict,
    expected_depth,
    grey_image,
    read_series,
    read_table,
)
from trainables import import_path
from trainables.slices.planes import quicknii
from trainables.slices.predict import inputs
from trainables.slices.predict.predictor import SlicePredictor
from trainables.slices.sections.data import SliceData

# Output files


def test_the_files_hold_the_model_s_predictions(predict: Predict, tmp_path: Path) -> None:
    messages = predict()
    assert messages == ["6 sections predicted"]
    written = read_series(tmp_path / "out")
    assert (written.name, written.target) == ("brain", "ABA_Mouse_CCFv3_2017_25um.cutlas")
    assert written.aligner.startswith("ladder")
    for section, number in zip(written.sections, range(10, 40, 5), strict=True):
        assert section.filename == f"mouse_s{number:03}.png"
        assert (section.width, section.height, section.nr) == (60, 40, number)
        expected = UPRIGHT.tolist()
        expected[1] = expected_depth(number)
        assert section.anchoring == pytest.approx(expected, abs=1e-3)
        row = read_table(tmp_path / "out")[section.filename]
        assert float(row["depth_um"]) == pytest.approx(25 * expected_depth(number), abs=0.1)
        assert (row["nr"], row["uncertainty_um"], row["inferred"]) == (str(number), "", "")


def test_the_files_have_the_form_of_deepslice_s_own(
    predict: Predict, shared_data: Path, tmp_path: Path
) -> None:
    """Keys, their order and their types, field for field."""
    glta = shared_data / "glta"
    predict(BrightnessModel(), BrightnessModel(offset=(3,) * 9), propagate=True)

    def both(extension: str) -> tuple[Path, Path]:
        return glta / f"glta.{extension}", tmp_path / "out" / f"series.{extension}"

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return [(key, form(item)) for key, item in value.items()]
        return [form(value[0])] if isinstance(value, list) and value else type(value)

    theirs, ours = (json.loads(file.read_text()) for file in both("json"))
    assert form(ours) == form(theirs)
    assert all(form(one) == form(theirs["slices"][0]) for one in ours["slices"])
    assert ours["target"] == theirs["target"]

    theirs, ours = (ElementTree.parse(file).getroot() for file in both("xml"))
    assert ours.tag == theirs.tag
    for their, our in zip(theirs, ours, strict=False):
        assert (our.tag, list(our.attrib)) == (their.tag, list(their.attrib))
        keys = [re.findall(r"(?:^|&)([a-z]+)=", one.attrib["anchoring"]) for one in (our, their)]
        assert keys[0] == keys[1] == list(quicknii.AXES)
    # Theirs are namespaces, ours attributes.
    head = re.findall(r'xmlns:(\w+)="', (glta / "glta.xml").read_text())
    assert list(ours.attrib) == [*head, "target"]
    assert (ours.attrib["first"], ours.attrib["last"]) == ("10", "35")

    theirs, ours = (list(csv.reader(file.open(newline=""))) for file in both("csv"))
    assert ours[0] == theirs[0]
    numbers = re.compile(r"-?\d+(\.\d+(e-?\d+)?)?")
    for one in (ours[1], theirs[1]):
        assert all(numbers.fullmatch(cell) for cell in one[1:])
        assert all(cell.isdigit() for cell in one[10:13])


def test_an_ensemble_predicts_the_median_and_reports_the_spread_of_its_members(
    predict: Predict, tmp_path: Path
) -> None:
    far = (0, 90, 0, 0, 0, 0, 0, 0, 0)
    near = (0, 0, -4, 0, 0, 0, 0, 0, 0)
    messages = predict(BrightnessModel(offset=far), BrightnessModel(), BrightnessModel(offset=near))
    assert messages == ["6 sections predicted by 3 models, which differ by 100 µm (median)"]
    for section in read_series(tmp_path / "out").sections:
        assert section.anchoring[1] == pytest.approx(expected_depth(section.nr), abs=1e-3)
        assert section.anchoring[2] == pytest.approx(334, abs=1e-3)
        row = read_table(tmp_path / "out")[section.filename]
        assert float(row["uncertainty_um"]) == pytest.approx(100)  # of 0, 100 and 2,250
    predict(BrightnessModel(), BrightnessModel(offset=near))
    assert read_series(tmp_path / "out").sections[0].anchoring[2] == pytest.approx(332, abs=1e-3)


def test_the_space_s_own_predictor_and_trainable_predict_in_batches(
    data: SliceData, source: Path, tmp_path: Path
) -> None:
    space = read_space("slice_reg")
    assert space.predictor is not None
    predictor = import_path.load(space.predictor)
    settings = {"backbone": "resnet10t", "head_width": 8}
    module = import_path.load(space.trainable)(
        **settings, **import_path.accepted_arguments(import_path.load(space.trainable), data.facts())
    )
    for number in range(100, 140):
        grey_image(100).save(source / f"more_s{number}.png")
    predictor([module.eval()], data).predict(source, tmp_path, {**predictor.options, "overview": False})
    written = read_series(tmp_path)
    assert len(written.sections) == 46
    # The last layer is initialised to zero, so it predicts the mean of the training planes.
    np.testing.assert_allclose(written.sections[0].anchoring, data.facts()["target_mean"], rtol=1e-4)


# Numbers and propagation


def test_sections_are_in_the_order_of_their_numbers(predict: Predict, source: Path, tmp_path: Path) -> None:
    (source / "mouse_s010.png").rename(source / "z_s5_s003_v2.png")
    predict()
    assert [section.nr for section in read_series(tmp_path / "out").sections] == [3, 15, 20, 25, 30, 35]


@pytest.mark.parametrize("text", ["name,number\na,2\nb.png,1\n", "a.png;2\nb;1\n", "\ufeffa\t2\n\nb\t1"])
def test_numbers_come_from_a_file(predict: Predict, source: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "numbers.csv").write_text(text)
    for path in source.iterdir():
        path.unlink()
    for name in "abc":
        grey_image(100).save(source / f"{name}.png")
    messages = predict(BrightnessModel(), numbers=tmp_path / "numbers.csv", propagate=True)
    assert "section c.png has no number (it is not in" in messages[0]
    assert [section.filename for section in read_series(tmp_path / "out").sections] == ["b.png", "a.png"]


def test_names_without_numbers_and_duplicates(predict: Predict, source: Path, tmp_path: Path) -> None:
    grey_image(90).save(source / "overview.png")
    grey_image(90).save(source / "z_s015.png")
    messages = predict(propagate=True)
    assert "section z_s015.png has the number 15 of mouse_s015.png; it is left out" in messages
    assert any("section overview.png has no number (no _sNNN in its name" in line for line in messages)
    assert [section.nr for section in read_series(tmp_path / "out").sections] == [10, 15, 20, 25, 30, 35]
    messages = predict()
    assert "so all are numbered from 1 in the order of their names" in messages[0]
    assert [section.nr for section in read_series(tmp_path / "out").sections] == list(range(1, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no line of name,number"), ("a.png,1\nb.png\n", "line 2"), ("a.png,1\nb.png,x\n", "line 2")],
)
def test_malformed_number_files_are_refused(
    predict: Predict, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "numbers.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        predict(numbers=tmp_path / "numbers.csv")


def test_propagation_spaces_the_series_and_infers_bad_sections(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    grey_image(255).save(source / "mouse_s020.png")  # far too bright
    messages = predict(propagate=True, bad=[20])
    step = 25 * 400 * 4 / 255
    assert f"{step:.1f} µm from one section number to the next (fitted)" in messages[1]
    assert "inferred from their neighbours: mouse_s020.png" in messages[1]
    for section in read_series(tmp_path / "out").sections:
        assert section.anchoring[1] == pytest.approx(expected_depth(section.nr), abs=0.01)
    assert read_table(tmp_path / "out")["mouse_s020.png"]["inferred"] == "yes"
    predict(propagate=True, thickness=40, bad="mouse_s020")
    depths = [section.anchoring[1] for section in read_series(tmp_path / "out").sections]
    np.testing.assert_allclose(np.diff(depths), -40 / 25 * 5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"propagate": "yes"}, "propagate is 'yes'"),
        ({"thickness": 40}, "add propagate=true"),
        ({"bad": [10]}, "add propagate=true"),
        ({"propagate": "order", "thickness": 40}, "not propagate=order"),
        ({"propagate": True, "thickness": "thin"}, "must be a number of µm"),
        ({"propagate": True, "bad": [11]}, "bad=11: no predicted section"),
        ({"propagate": True, "bad": [10, 15, 20, 25, 30]}, "1 sections are good"),
        ({"overview": "big"}, "overview is 'big'"),
    ],
)
def test_invalid_options_are_refused(predict: Predict, options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        predict(**options)


# Unusual and unreadable input


def test_each_unusual_image_gets_a_message_and_the_others_are_predicted(
    predict: Predict, source: Path, tmp_path: Path
) -> None:
    (source / "corrupt_s101.png").write_bytes((source / "mouse_s010.png").read_bytes()[:60])
    (source / "empty_s102.tif").write_bytes(b"")
    grey_image(90, (1, 1)).save(source / "pixel_s103.png")
    grey_image(90, (12_000, 12_000)).save(source / "huge_s104.png")
    grey_image(90).convert("CMYK").save(source / "cmyk_s105.jpg")
    grey_image(90).convert("P").save(source / "palette_s106.png")
    tifffile.imwrite(source / "deep_s107.tif", np.full((40, 60), 30_000, dtype=np.uint16))
    tifffile.imwrite(source / "pages_s108.tif", np.full((3, 40, 60), 90, np.uint8), photometric="minisblack")
    grey_image(90).save(source / "moving_s109.png", save_all=True, append_images=[grey_image(10)])
    (source / "notes_s110.txt").write_text("no image")
    (source / "folder_s111.png").mkdir()
    messages = predict()
    for name in ("corrupt_s101.png", "empty_s102.tif", "pixel_s103.png", "huge_s104.png"):
        (line,) = (line for line in messages if name in line)
        assert line.endswith("the others are predicted")
        assert "\n" not in line
    assert "CMYK: cmyk_s105.jpg" in messages
    assert "colours from a palette: palette_s106.png" in messages
    assert "16 bits, of which 15 are used: deep_s107.tif" in messages
    assert "several pages, of which the first is taken: pages_s108.tif, moving_s109.png" in messages
    numbers = [section.nr for section in read_series(tmp_path / "out").sections]
    assert numbers == [10, 15, 20, 25, 30, 35, 105, 106, 107, 108, 109]


def test_folders_without_images_to_predict_are_refused(data: SliceData, source: Path, tmp_path: Path) -> None:
    predictor = SlicePredictor([BrightnessModel()], data)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="has no images"):
        predictor.predict(tmp_path / "none", tmp_path, predictor.options)
    with pytest.raises(ValueError, match="there is no folder"):
        predictor.predict(tmp_path / "missing", tmp_path, predictor.options)
    for path in source.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no section can be predicted; the first: section mouse_s010\.png"):
        predictor.predict(source, tmp_path, predictor.options)


def test_a_single_image_is_a_series_of_one(data: SliceData, source: Path, tmp_path: Path) -> None:
    predictor = SlicePredictor([BrightnessModel()], data)
    predictor.predict(source / "mouse_s015.png", tmp_path, {**predictor.options, "overview": False})
    assert [section.nr for section in read_series(tmp_path).sections] == [15]


def test_images_are_decoded_only_a_few_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def decode(path: Path, sizes: object) -> Path:
        started.append(path)
        return path

    monkeypatch.setattr(inputs, "decode", decode)
    paths = [Path(str(number)) for number in range(200)]
    ahead = inputs.AHEAD * (inputs.os.cpu_count() or 1)
    for count, path in enumerate(inputs.decode_images(paths, (8,)), start=1):
        assert path == paths[count - 1]
        assert len(started) <= count + ahead
    assert len(started) == 200
