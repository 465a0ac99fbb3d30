"""The picture of regret against training time."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.plot_search_quality import LOOKS, main
from benchmarks.scores import Score, ScoreFile

SVG = "{http://www.w3.org/2000/svg}"
LINE = f"{SVG}polyline"


def write_scores(path: Path, ways: dict[str, float], tasks: dict[str, tuple[str, ...]]) -> None:
    """Two seeds of each way, whose regret falls from the given one to 0; task `partial` is of the first way
    alone."""
    file = ScoreFile(path, {"workers": 4})
    for way, regret in ways.items():
        for group, names in tasks.items():
            for task in names:
                for seed in range(2):
                    if task != "partial" or way == next(iter(ways)):
                        scores = tuple(regret * part + 0.02 * seed for part in (1, 0.5, 0.25, 0))
                        file.append(Score(way, group, task, seed, 9, 0.1, scores, scores))


def test_a_panel_per_group_has_a_line_per_way_at_the_height_of_its_regret(tmp_path):
    source, target = tmp_path / "scores.jsonl", tmp_path / "picture.svg"
    write_scores(source, {"random": 0.8, "ladder": 0.4}, {"smooth": ("a", "b"), "recorded": ("c", "partial")})
    main([str(source), str(target)])
    drawing = ElementTree.parse(target).getroot()
    words = [element.text for element in drawing.iter(f"{SVG}text")]
    assert words.index("recorded curves of the spaces here") < words.index("smooth functions")
    assert {LOOKS["ladder"].name, LOOKS["random"].name} <= set(words)
    lines = [line.attrib["points"].split() for line in drawing.iter(LINE)]
    curves = [[tuple(map(float, point.split(","))) for point in line] for line in lines if len(line) == 4]
    # `ladder` lacks a task of the group `recorded`, so it has no line there.
    assert len(curves) == 3
    others, ladder = [line for line in curves[:2]], curves[2]
    assert others[1][0][0] > others[0][0][0] + 300  # the second panel
    assert ladder[0][1] - others[1][0][1] == pytest.approx(ladder[3][1] - ladder[0][1], abs=8)
    assert [x for x, _ in ladder] == sorted(x for x, _ in ladder)
    bars = re.findall(r'<path d="M[0-9.]+ ([0-9.]+)V([0-9.]+)"', target.read_text())
    assert len(bars) == 12 and all(float(low) > float(high) for low, high in bars)


def test_only_the_ways_that_are_asked_for_are_drawn(tmp_path):
    source, target = tmp_path / "scores.jsonl", tmp_path / "picture.svg"
    write_scores(source, {"random": 0.8, "ladder": 0.4}, {"smooth": ("a", "b")})
    main([str(source), str(target), "--ways", "ladder"])
    words = [element.text for element in ElementTree.parse(target).getroot().iter(f"{SVG}text")]
    assert LOOKS["ladder"].name in words and LOOKS["random"].name not in words


def test_ways_differ_in_dashes_or_marks():
    looks = [(look.dashes, look.mark, look.filled) for look in LOOKS.values()]
    assert len(set(looks)) == len(looks)


def test_a_file_without_scores_is_refused(tmp_path, capsys):
    write_scores(tmp_path / "none.jsonl", {}, {})
    for name in ("none.jsonl", "missing.jsonl"):
        with pytest.raises(SystemExit):
            main([str(tmp_path / name), str(tmp_path / "picture.svg")])
    assert "search_quality" in capsys.readouterr().err
