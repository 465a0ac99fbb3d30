"""Draws the scores of replayed searches: regret against training time, as SVG.

    python -m benchmarks.plot_search_quality FILE PICTURE [--ways ladder,random]

FILE holds scores that `search_quality.py --json` wrote. There is a panel per group of tasks and a line per
way: the normalised regret by the final value, the mean over tasks and seeds with its 95 % interval over seeds
(Student's t). Lines differ in dashes and marks, so that they can be told apart without colours.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from benchmarks.scores import BUDGETS, Score, by_seed, read_scores
from benchmarks.ways import WAYS
from results.files import write_text
from results.stats import Estimate, estimate

WIDTH, HEIGHT = 300, 260  # of the axes of a panel, in pixels
LEFT, TOP, GAP, BOTTOM = 52, 56, 20, 64  # margins, and the space between panels
ROW = TOP + HEIGHT + BOTTOM  # height of a row of panels
PANELS = 2  # in a row
PER_ROW = 3  # entries of the legend
SPREAD = 5.0  # pixels between the intervals of two ways at one time
TICK = 0.2  # of the regret
TITLES = {
    "taskset": "published curves of recurrent networks",
    "taskset-forest": "the same, any configuration answered",
    "recorded": "recorded curves of the spaces here",
    "recorded-forest": "the same, any configuration answered",
    "smooth": "smooth functions",
}


@final
@dataclass(frozen=True)
class Look:
    """The look of a line."""

    name: str
    colour: str
    dashes: str = ""
    mark: str = "circle"  # or square, triangle, diamond
    filled: bool = True


LOOKS = {
    "ladder": Look("sampler=ladder", "#000000"),
    "ladder-gp": Look("sampler=gp", "#0b6e8f", "7 3", "square"),
    "ladder-tpe": Look("sampler=tpe", "#b3400a", "2 3", "triangle"),
    "ladder-random": Look("sampler=random", "#6a6a6a", "8 3 2 3", "diamond"),
    "random": Look("random, in full", "#6a6a6a", "", "circle", filled=False),
    "optuna-tpe": Look("Optuna's TPE, in full", "#b3400a", "7 3", "triangle", filled=False),
    "optuna-gp": Look("Optuna's GP, in full", "#0b6e8f", "2 3", "square", filled=False),
    "optuna-median": Look("Optuna's median pruner", "#7a5195", "", "diamond", filled=False),
    "optuna-halving": Look("Optuna's halving", "#7a5195", "7 3", "circle"),
    "optuna-hyperband": Look("Optuna's Hyperband", "#7a5195", "2 3", "square"),
    "ray-stock": Look("Ray's ASHA, its defaults", "#2f7d32", "", "triangle", filled=False),
    "ray-asha": Look("Ray's ASHA", "#2f7d32", "7 3", "diamond"),
    "syne-asha": Look("Syne Tune's ASHA", "#a8871d", "", "square", filled=False),
    "syne-bohb": Look("Syne Tune's BOHB", "#a8871d", "7 3", "triangle"),
    "syne-cqr": Look("Syne Tune's CQR, in full", "#a8871d", "2 3", "diamond", filled=False),
}
assert LOOKS.keys() == WAYS.keys(), "each way has a look"


def picture(scores: Sequence[Score]) -> str:
    """The picture as SVG. Raises ValueError if no way has scores for all tasks of a group."""
    found = {score.group for score in scores}
    lines = {group: regrets(scores, group) for group in TITLES if group in found}
    shown = [way for way in LOOKS if any(way in own for own in lines.values())]
    if not shown:
        raise ValueError("no way has scores for all tasks of a group (python -m benchmarks.search_quality)")
    tops = [
        one.mean if one.high is None else one.high
        for own in lines.values()
        for values in own.values()
        for one in values
    ]
    top = min(1.0, TICK * np.ceil(max(tops) / TICK))
    width = LEFT + min(PANELS, len(lines)) * (WIDTH + GAP)
    panels, legends = -(-len(lines) // PANELS), -(-len(shown) // PER_ROW)
    height = panels * ROW + 22 * legends
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="Liberation Sans, Arial, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (group, own) in enumerate(lines.items()):
        row, column = divmod(number, PANELS)
        left, first = LEFT + column * (WIDTH + GAP), not column
        parts += [f'<g transform="translate(0 {row * ROW})">', *axes(left, TITLES[group], float(top), first)]
        parts += [
            part for way in reversed(shown) if way in own for part in curve(left, own, way, shown, float(top))
        ]
        parts.append("</g>")
    for number, way in enumerate(shown):
        x = LEFT + number % PER_ROW * (width - LEFT) / PER_ROW
        y = panels * ROW + 22 * (number // PER_ROW)
        parts += [stroke([(x, y), (x + 34, y)], LOOKS[way]), mark(x + 17, y, LOOKS[way])]
        parts.append(text(x + 42, y + 4, LOOKS[way].name, anchor="start"))
    return "\n".join([*parts, "</svg>\n"])


def regrets(scores: Sequence[Score], group: str) -> dict[str, list[Estimate]]:
    """The regret of each way at each of the BUDGETS, for ways with scores of all tasks of the group."""
    own = [score for score in scores if score.group == group]
    seeds = {way: by_seed(own, way, "final") for way in LOOKS}
    return {
        way: [estimate(column.tolist()) for column in np.array(list(values.values())).T]
        for way, values in seeds.items()
        if values
    }


def axes(left: float, title: str, top: float, labels: bool) -> Iterator[str]:
    """Title, grid and ticks of a panel; `labels` are those of the regret."""
    yield text(left + WIDTH / 2, TOP - 16, title, ' font-weight="bold"')
    for step in range(round(top / TICK) + 1):
        y = down(step * TICK, top)
        yield f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="{"#dddddd" if step else "#555555"}"/>'
        if labels:
            yield text(left - 8, y + 4, f"{step * TICK:.1f}", anchor="end")
    if labels:
        x, y = left - 38, TOP + HEIGHT / 2
        yield text(x, y, "normalised regret", f' transform="rotate(-90 {x} {y})"')
    for number, budget in enumerate(BUDGETS):
        yield text(across(left, number), TOP + HEIGHT + 18, str(budget))
    yield text(left + WIDTH / 2, TOP + HEIGHT + 36, "time, in full trainings")


def curve(
    left: float, own: dict[str, list[Estimate]], way: str, shown: Sequence[str], top: float
) -> Iterator[str]:
    """The line of a way in a panel, with its intervals; those of different ways lie side by side."""
    look, shift = LOOKS[way], SPREAD * (shown.index(way) - (len(shown) - 1) / 2)
    points = [(across(left, n) + shift, down(one.mean, top)) for n, one in enumerate(own[way])]
    for (x, _), one in zip(points, own[way], strict=True):
        if one.low is not None and one.high is not None:
            low, high = down(max(one.low, 0.0), top), down(min(one.high, top), top)
            yield f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{look.colour}"/>'
    yield stroke(points, look)
    yield from (mark(x, y, look) for x, y in points)


def across(left: float, number: int) -> float:
    """The horizontal position of a time; the times double, so the axis is logarithmic."""
    return left + WIDTH * (number + 0.5) / len(BUDGETS)


def down(regret: float, top: float) -> float:
    """The vertical position of a regret."""
    return TOP + HEIGHT * (1 - regret / top)


def stroke(points: Sequence[tuple[float, float]], look: Look) -> str:
    """A line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{look.dashes}"' if look.dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{look.colour}" stroke-width="1.8"{dashes}/>'


def mark(x: float, y: float, look: Look) -> str:
    """A mark at a point; one that is not filled is white inside."""
    paint = f'fill="{look.colour if look.filled else "#ffffff"}" stroke="{look.colour}" stroke-width="1.4"'
    if look.mark == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" {paint}/>'
    shape = {
        "square": "-3.3,-3.3h6.6v6.6h-6.6",
        "triangle": "0,-4.4l4.2,7.4h-8.4",
        "diamond": "0,-4.6l4,4.6l-4,4.6l-4,-4.6",
    }
    return f'<path transform="translate({x:.1f} {y:.1f})" d="M{shape[look.mark]}z" {paint}/>'


def text(x: float, y: float, words: str, more: str = "", anchor: str = "middle") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222"{more}>{words}</text>'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="scores of search_quality.py")
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the SVG file to write")
    parser.add_argument("--ways", default=",".join(WAYS), help="joined by commas")
    options = parser.parse_args(argv)
    ways = options.ways.split(",")
    try:
        scores = [score for score in read_scores(options.file) if score.way in ways]
        write_text(options.picture, picture(scores))
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
