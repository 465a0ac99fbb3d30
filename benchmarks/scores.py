"""Scores of replayed searches: a file that grows line by line, and tables of their regrets.

    {"workers": 4, "lanes": 1, "grace": 3, "budgets": [5, 10, 20, 40], "fields": ["way", ...]}
    ["random", "taskset", "imdb_patch32_GRU128_bs128", 0, 44, 0.2, [1.0, 0.8, 0.4, 0.3], [1.0, 0.8, 0.4, 0.3]]

The first line has the settings, each other line is a score (JSON Lines).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np

from results.stats import estimate
from results.text import half_width

BUDGETS = (5, 10, 20, 40)  # in full trainings, all workers together
KINDS = {"final": "final value of the incumbent", "observed": "last observed value of the incumbent"}


@final
@dataclass(frozen=True)
class Score:
    """Regrets of one search after each of the BUDGETS."""

    way: str
    group: str
    task: str
    seed: int
    trials: int
    cpu_seconds: float  # of the search itself; training takes none
    final: tuple[float, ...]  # by the final value of the incumbent's curve
    observed: tuple[float, ...]  # by its last observed value

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Which search this is."""
        return self.way, self.group, self.task, self.seed


@final
class ScoreFile:
    """The scores of searches with the same settings. Raises ValueError if a file has other settings."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        names = [field.name for field in fields(Score)]
        header = json.dumps({**settings, "budgets": BUDGETS, "fields": names})
        if not path.exists():
            path.write_text(header + "\n")
        elif path.read_text().partition("\n")[0] != header:
            raise ValueError(f"{path} has scores of other settings; choose another file (--json)")

    def read(self) -> list[Score]:
        """All scores so far. A last line that was cut off by a kill is left out, here and in the file."""
        text = self.path.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole)
        return read_scores(self.path)

    def append(self, score: Score) -> None:
        """Adds a line."""
        with self.path.open("a") as file:
            file.write(json.dumps(astuple(score)) + "\n")


def read_scores(path: Path) -> list[Score]:
    """The scores in a file whose lines are whole, whatever its settings."""
    rows = map(json.loads, path.read_text().splitlines()[1:])
    return [Score(*(*row, tuple(final), tuple(observed))) for *row, final, observed in rows]


def by_seed(scores: Sequence[Score], way: str, kind: str) -> dict[int, np.ndarray]:
    """Mean over tasks of the regrets of one way, (budgets,), for each seed with scores of all tasks."""
    tasks = {score.task for score in scores}
    own: dict[int, list[tuple[float, ...]]] = {}
    for score in scores:
        if score.way == way:
            own.setdefault(score.seed, []).append(getattr(score, kind))
    return {seed: np.mean(rows, axis=0) for seed, rows in own.items() if len(rows) == len(tasks)}


def interval(values: np.ndarray) -> str:
    """Mean of a value per seed, with its interval if there are two or more seeds: `.54 ± .02`."""
    result = estimate(values.tolist())
    half = half_width(result)
    return short(result.mean) + ("" if half is None else f" ± {short(half)}")


def short(value: float) -> str:
    """Two decimals without a leading zero: `.54`, `-.01`, `1.00`."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def means(scores: Sequence[Score], kind: str) -> str:
    """The regrets of each way: means over tasks and seeds."""
    rows = [[KINDS[kind], *map(str, BUDGETS), "mean", "seeds", "trials", "ms per trial"]]
    for way in dict.fromkeys(score.way for score in scores):
        seeds = by_seed(scores, way, kind)
        if not seeds:
            continue
        values = np.array(list(seeds.values()))
        own = [score for score in scores if score.way == way]
        trials = sum(score.trials for score in own)
        rows.append(
            [
                way,
                *map(short, values.mean(axis=0)),
                interval(values.mean(axis=1)),
                str(len(seeds)),
                f"{trials / len(own):.0f}",
                f"{1e3 * sum(score.cpu_seconds for score in own) / trials:.1f}",
            ]
        )
    return markdown(rows)


def differences(scores: Sequence[Score], kind: str, reference: str) -> str:
    """The regrets of each way minus those of `reference`, paired by seed, with their intervals."""
    rows = [[f"{KINDS[kind]}, minus {reference}", *map(str, BUDGETS), "mean"]]
    others = by_seed(scores, reference, kind)
    for way in dict.fromkeys(score.way for score in scores if score.way != reference):
        seeds = by_seed(scores, way, kind)
        paired = [seeds[seed] - others[seed] for seed in seeds if seed in others]
        if paired:
            values = np.array(paired)
            rows.append([way, *map(interval, values.T), interval(values.mean(axis=1))])
    return markdown(rows)


def report(scores: Sequence[Score], reference: str) -> str:
    """For each group of tasks and each kind of regret the means and the differences from `reference`."""
    parts = []
    for group in dict.fromkeys(score.group for score in scores):
        own = [score for score in scores if score.group == group]
        parts.append(f"## {group} ({len({score.task for score in own})} tasks)")
        for kind in KINDS:
            parts += [means(own, kind), differences(own, kind, reference)]
    return "\n\n".join(parts)
