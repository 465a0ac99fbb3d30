"""The benchmarks of brain sections run at their smallest size."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cutting, glta, parametrisation, predict, xception
from trainables.slices.planes import quicknii

NUMBER = r"[\d,]+"


def test_cutting(capsys: pytest.CaptureFixture[str]) -> None:
    cutting.main(["--size", "32", "--seconds", "0.05", "--train", "16"])
    output = capsys.readouterr().out
    for source in ("phantom", "volume"):
        assert re.search(rf"^{source} +{NUMBER} +{NUMBER}$", output, re.MULTILINE)
    assert len(re.findall(r"^an epoch of 16 sections, .*: \d+\.\d% is cutting$", output, re.MULTILINE)) == 2


@pytest.fixture
def eight_sections(shared_data: Path, tmp_path: Path) -> Path:
    """A folder with eight sections of the GLTa series."""
    folder = tmp_path / "glta"
    folder.mkdir()
    series = quicknii.read(shared_data / "glta" / "glta.json")
    sections = series.sections[2:26:3]
    quicknii.write(replace(series, sections=sections), folder / "glta.json")
    for section in sections:
        shutil.copy(shared_data / "glta" / section.filename, folder)
    return folder


@pytest.mark.slow
def test_glta(
    eight_sections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LADDER_CACHE", str(tmp_path / "cache"))
    size = ["--trials", "1", "--epochs", "1", "--train", "16", "--image-size", "32"]
    glta.main([str(eight_sections), *size, "engine=local"])
    output = capsys.readouterr().out
    assert "\n4 sections, distance in µm" in output
    rows = re.findall(rf"^(\D+?)(?: +{NUMBER}){{6}}$", output, re.MULTILINE)
    assert len(rows) == 11
    assert (rows[0], rows[-1]) == ("constant prediction", "reference, refined")


@pytest.mark.slow
def test_parametrisation(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["backbone=resnet10t", "data.train=16", "data.val=4"]
    parametrisation.main(["--seeds", "1", "--epochs", "1", "--image-size", "32", *overrides])
    output = capsys.readouterr().out
    for loss in ("mse", "distance"):
        for name in ("numbers", "frame"):
            assert re.search(rf"^{loss} +{name} +{NUMBER} +{NUMBER}$", output, re.MULTILINE)
        assert re.search(rf"^{loss} +frame is at \d+\.\d\d of numbers$", output, re.MULTILINE)


@pytest.mark.slow
def test_predict(capsys: pytest.CaptureFixture[str]) -> None:
    predict.main(["--sizes", "2", "--pictures", "yes"])
    assert re.search(rf"^ +2  yes +\d+\.\d +{NUMBER}$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_xception(capsys: pytest.CaptureFixture[str]) -> None:
    xception.main(["--cases", "32,1,1,1", "--epochs", "2", "--train", "16", "--threads", "1"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    (case,) = figures["speed"]
    assert (case["size"], case["threads"]) == (32, 1)
    assert case["ratio"] == pytest.approx(case["ladder"] / case["plain"])
    assert figures["epoch"]["seconds"] > 0
    assert 0 < figures["epoch"]["outside"] < 1
    assert figures["epoch"]["checkpoint_seconds"] > 0
