"""The benchmarks of whole searches run at their smallest size."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import compiled, early_end, fidelity, forecast, objectives, overhead, recipes, search_speed
from tests.benchmarks.bowl import make_task, write_recording
from tests.trainables.mnist.idx_files import make_pair

TABLE_ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)
TINY_SLICES = ["backbone=resnet10t", "data.image_size=32", "data.train=16", "data.val=8", "data.test=8"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images as large as MNIST's."""
    return make_pair(tmp_path / "images", count=160, side=28)


def rows(output: str) -> list[list[str]]:
    """The cells of the tables in the output, without their heads."""
    cells = [[cell.strip() for cell in line.split("|")] for line in TABLE_ROW.findall(output)]
    return [row for row in cells[1:] if set(row[0]) != {"-"}]


@pytest.mark.slow
def test_search_speed(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file = tmp_path / "figures.json"
    search_speed.main([str(images), "--trials", "2", "--only", "ladder", "--json", str(json_file)])
    (row,) = rows(capsys.readouterr().out)
    assert row[0] == "ladder"
    for figures in json.loads(json_file.read_text())["figures"]:
        assert figures["seconds"] > 0
        assert figures["trial_epochs"] >= 2
        assert 0 < figures["best"] <= 1
        times = [when for when, _ in figures["rises"]]
        assert 0 < times[0] <= times[-1] <= figures["seconds"]


@pytest.mark.slow
def test_search_speed_of_plain_modules(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_speed.main([str(images), "--trials", "2", "--foreign", "--only", "foreign:Coder"])
    (row,) = rows(capsys.readouterr().out)
    assert row[0] == "foreign:Coder"
    assert int(row[3]) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["tune", "optuna"])
def test_recipes(recipe: str, images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.recipes", recipe, str(images), "1", str(folder)]
    ran = subprocess.run(command, cwd=search_speed.ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    timeline = search_speed.recipe_timeline(folder)
    # Each of Optuna's processes may begin a trial before it sees that of another.
    assert 1 <= len(timeline) <= recipes.EPOCHS * (recipes.WORKERS if recipe == "optuna" else 1)
    assert all(0 <= accuracy <= 1 for _, accuracy in timeline)


@pytest.mark.slow
def test_compiled(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--lanes", "2", "--epochs", "2", "--turns", "1", "--only", "Net"]
    compiled.main([str(images), *arguments])
    (row,) = rows(capsys.readouterr().out)
    assert row[:2] == ["Net", "2"]
    assert all(float(cell) > 0 for cell in row[2:4])


def test_overhead(capsys: pytest.CaptureFixture[str]) -> None:
    overhead.main(["--trials", "6", "--engine", "local"])
    packed, unpacked = rows(capsys.readouterr().out)
    assert packed[:2] == ["6", "auto"]
    assert unpacked[:2] == ["6", "1"]
    assert int(unpacked[2]) >= 6  # jobs


@pytest.mark.slow
def test_fidelity(capsys: pytest.CaptureFixture[str]) -> None:
    fidelity.main(["--trials", "2", "--epochs", "1", "epochs=3", *TINY_SLICES])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 configurations, epoch 1 of 3"
    assert [line.split(":")[0] for line in lines[1:]] == ["32 px", "32 px", "32 px"]
    assert lines[1].endswith("rank correlation with 32 px 1.00")


def test_the_benchmarks_on_recorded_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two objectives, the early end, the forecast, and replays: on one small task."""
    write_recording(tmp_path / "bowl.parquet", make_task(0))
    objectives.main([str(tmp_path), "--seeds", "2", "--ways", "random,optuna-nsga2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1].rstrip(",") for line in lines] == ["random", "optuna-nsga2", "random"]
    assert all(0 < float(value) <= 1.5 for line in lines for value in line.split()[-8:-4])
    early_end.main([f"recorded={tmp_path}", "--seeds", "1", "--trials", "40"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["min_gain=0.01", "min_gain=0.02", "min_gain=0.05"]
    assert all("regret lost" in line for line in lines)
    forecast.main([f"recorded={tmp_path}", "--seeds", "1", "--model"])
    cells = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [cell[1] for cell in cells[2:]] == ["ladder", "ladder", "tpe", "tpe", "random", "random", "all"]
