"""What a search has to beat: predictions that take no training, scored on the validation set."""

from dataclasses import dataclass

from results.store import Run

LEARNED = 0.01  # of a baseline, or of what it leaves to be gained, that a value must be better by to beat it
NAMES = {"baseline": "constant prediction", "nearest": "most similar training sample"}
VERDICTS = {"baseline": "nothing was learned", "nearest": "training has not beaten it"}


@dataclass(frozen=True)
class Baseline:
    """A prediction without training: `key` is its metric's name after `val/`."""

    key: str
    value: float  # the objective that it has
    beaten: bool  # by the best trial of the search

    @property
    def name(self) -> str:
        return NAMES[self.key]

    @property
    def verdict(self) -> str:
        """What is to be said of the search, in bold; empty if it beats this."""
        return "" if self.beaten else VERDICTS[self.key]


def baselines(run: Run) -> list[Baseline]:
    """Those that are noted beside the best trial's last value; none before there is one."""
    best = run.best()
    if best is None:
        return []
    sign = 1 if run.config["objective"]["mode"] == "min" else -1
    last = (best["trial"], best["epochs"])
    rows = [row for row in run.epochs.to_pylist() if (row["trial"], row["epoch"]) == last]
    return [
        Baseline(key, value, sign * (value - best["objective"]) > LEARNED * room(value, sign))
        for row in rows
        for key in NAMES
        if (value := row.get(f"val/{key}")) is not None
    ]


def room(value: float, sign: int) -> float:
    """What an improvement on a baseline is measured by: the baseline, or what a share leaves to be gained.

    An accuracy of 0.995 can't be beaten by a hundredth of itself.
    """
    return min(value, 1 - value) if sign < 0 and 0 < value < 1 else abs(value)
