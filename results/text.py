"""Numbers, scores and durations as text for people."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results.facts import End, TimeOver
from results.new_data import NewData
from results.stats import Confirmation, Estimate

FEW_UNITS = 8  # test samples or batches; also with scores that do not look skewed (decision 0028)
FEW = (
    f"With {FEW_UNITS} of them or fewer such an interval is too narrow if scores are skewed, as losses often "
    "are, and so few do not show it: take smaller test batches, or more test data."
)


def without_home(text: str) -> str:
    """The text with `~` for the user's home folder in each path; for pages that others read."""
    home = Path.home()
    if home == Path(home.anchor):
        return text  # a user without a home folder of its own
    return re.sub(rf"(?<![\w.~/-]){re.escape(str(home))}(?![\w.-])", "~", text)


def short_names(names: Sequence[str]) -> list[str]:
    """The last parts of dotted names, which have room in a table or at an axis; equal ones stay whole."""
    last = [name.rpartition(".")[2] for name in names]
    return [part if last.count(part) == 1 else name for name, part in zip(names, last, strict=True)]


def number(value: float) -> str:
    """A number with four significant digits; from 1000 on as a whole number."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def rounded(value: float, uncertainty: float | None) -> str:
    """A value rounded to the first two significant digits of its uncertainty; `number` if there is none."""
    if not uncertainty or not math.isfinite(uncertainty):
        return number(value)
    return f"{value:,.{max(0, 1 - math.floor(math.log10(uncertainty)))}f}"


def half_width(estimate: Estimate) -> float | None:
    """Half the width of the interval, which is symmetric; None without an interval."""
    return None if estimate.high is None else estimate.high - estimate.mean


def mean(estimate: Estimate) -> str:
    """The mean, rounded to the precision of its interval."""
    return rounded(estimate.mean, half_width(estimate))


def interval(estimate: Estimate) -> str:
    """The interval, such as `0.9594 to 0.9650`; empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    half = half_width(estimate)
    return f"{rounded(estimate.low, half)} to {rounded(estimate.high, half)}"


def score(estimate: Estimate) -> str:
    """Mean and interval, such as `0.962 (0.959 to 0.965)`; the mean alone without an interval."""
    return mean(estimate) + (f" ({interval(estimate)})" if estimate.low is not None else "")


def picked(config: Mapping[str, Any]) -> str:
    """The epoch whose weights a confirmation scores, from the configuration of the run."""
    return "last epoch" if config.get("pick") == "last" else "best epoch"


def on_new_data(confirmation: Confirmation, new: NewData | None) -> str:
    """A sentence on the intervals for new seeds and new test samples; empty if seeds alone give none."""
    winner = confirmation.winner
    if new is None or winner is None:
        return ""
    if winner not in new.scores:
        return f"An interval over the test samples too is {new.missing}."
    units = f"{new.units:,} test {'samples' if new.unit == 'sample' else 'batches'}"
    few = f" {FEW}" if new.units <= FEW_UNITS else ""
    span = interval(new.scores[winner])
    sentence = f"Over seeds and {units}, {winner} has the 95 % interval {span}"
    if new.lead is None:
        return sentence + (f"; {new.missing}." if new.missing else ".") + few
    verdict = ": not told apart" if new.lead.contains_zero else ""
    return f"{sentence}, its lead {interval(new.lead)}{verdict}.{few}"


def bounds(constraint: Mapping[str, Any]) -> str:
    """A constraint, such as `model/latency_ms <= 5`."""
    name, low, high = constraint["metric"], constraint.get("min"), constraint.get("max")
    if low is not None and high is not None:
        return f"{plain(low)} <= {name} <= {plain(high)}"
    return f"{name} <= {plain(high)}" if high is not None else f"{name} >= {plain(low)}"


def early_end(end: End, trials: int) -> str:
    """Why a search of `trials` trials ended early, how sure that is, and what it saved."""
    if isinstance(end, TimeOver):
        verb = "is" if end.trials == 1 else "are"
        begun = counted(end.trials, "trial")
        return f"No further trial began after {duration(end.time)} (time): there {verb} {begun}."
    of = f" of {trials}" if end.epochs_saved else ""  # none of a search that its time alone ends
    saved = f" This saved about {end.epochs_saved:,} epochs." if end.epochs_saved else ""
    return (
        f"Ended early, after {end.trials}{of} trials: further ones are expected to gain "
        f"{end.gain:.1%} of the distance from the median value to the best. With a probability of "
        f"{end.certainty:.0%} it is less than {end.min_gain:.1%} (min_gain).{saved}"
    )


def grown(config: Mapping[str, Any]) -> str:
    """What it means that the epochs of a run have grown; empty if they have not."""
    if not (before := config.get("grown_from")):
        return ""
    steps = " to ".join(map(str, (*before, config["epochs"])))
    return (
        f"Its epochs have grown from {steps}. Earlier trials went on at their place in a schedule of the "
        "learning rate that spans all epochs. They are not quite comparable with later ones, and trained in "
        "one go they have other curves."
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 epoch`, `1,200 epochs`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def broken_constraints(constraints: Sequence[Mapping[str, Any]], broken: int, trials: int) -> str:
    """How many of the trials break a constraint, as a sentence."""
    all_bounds = ", ".join(map(bounds, constraints))
    if not broken:
        return f"All {counted(trials, 'trial')} keep the constraints ({all_bounds})."
    return f"{broken:,} of {counted(trials, 'trial')} break a constraint ({all_bounds}); they rank last."


def bytes_(number: float) -> str:
    """A number of bytes: `950 kB`, `1.2 GB`."""
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 1000 or unit == "GB":
            break
    return f"{number:.2g} {unit}" if number < 10 else f"{number:,.0f} {unit}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03` or `2:03`."""
    total = int(seconds)
    hours, minutes = total // 3600, total // 60 % 60
    return f"{hours}:{minutes:02}:{total % 60:02}" if hours else f"{minutes}:{total % 60:02}"


def rounded_duration(seconds: float) -> str:
    """A duration with its unit, for a sentence: `41 s`, `3.2 min`, `1.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plain(value: Any) -> str:
    """A parameter's value: floats as `number`, all else as `str`."""
    return number(value) if isinstance(value, float) else str(value)
