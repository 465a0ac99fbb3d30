"""Baselines: predictions without training, scored on the validation split. A search should beat them.

They are constants of the data, in `results/facts.json`. Rungs may differ in image size, so each has its own.
"""

from dataclasses import dataclass
from typing import final

from results.store import Run

MARGIN = 0.01  # relative improvement from which a value counts as better than a baseline
NAMES = {
    "baseline": "constant prediction",
    "simple": "simple model",
    "nearest": "most similar training sample",
}
VERDICTS = {
    "baseline": "nothing was learned",
    "simple": "a simple model is as good",
    "nearest": "training has not beaten it",
}


@final
@dataclass(frozen=True)
class Baseline:
    """A prediction without training."""

    key: str  # in the facts, and in NAMES
    value: float  # the objective
    beaten: bool  # by the best trial

    @property
    def name(self) -> str:
        return NAMES[self.key]

    @property
    def verdict(self) -> str:
        """Conclusion about the search if it does not beat the baseline; else empty."""
        return "" if self.beaten else VERDICTS[self.key]


def baselines(run: Run) -> list[Baseline]:
    """The baselines at the rung of the best trial; empty before the first value."""
    best = run.best()
    if best is None:
        return []
    sign = 1 if run.objective["mode"] == "min" else -1
    facts = run.facts.get(best["rung"], {})
    return [
        Baseline(key, value, sign * (value - best["objective"]) > MARGIN * scale(value, sign))
        for key in NAMES
        if (value := facts.get(key)) is not None
    ]


def scale(value: float, sign: int) -> float:
    """The quantity that an improvement on a baseline is relative to.

    This is the baseline itself. For a maximised score between 0 and 1 it is the distance to 0 or 1, the
    smaller one: an accuracy of 0.995 cannot be improved by 1 % of itself.
    """
    return min(value, 1 - value) if sign < 0 and 0 < value < 1 else abs(value)
