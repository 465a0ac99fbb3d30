"""Small files beside the tables of a run: constants of its data by rung, and the end of its search.

`results/facts.json`: `{"0": {"baseline": 2409.1, "nearest": 545.0}, "1": ...}`. `results/stop.json`, if the
search ended before its last trial: the fields of `EarlyEnd` (`stop=auto`) or `TimeOver` (`time=...`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from results.damage import DamagedTable
from results.files import write_text

FACTS_FILE = "results/facts.json"
STOP_FILE = "results/stop.json"


@final
@dataclass(frozen=True)
class EarlyEnd:
    """The decision to begin no further trial. Gains are shares of the distance from the median value to the
    best."""

    trials: int  # begun by then
    gain: float  # to be expected from further trials
    certainty: float  # the probability that it is below `min_gain`
    min_gain: float
    epochs_saved: int  # about, of the trials that were not begun


@final
@dataclass(frozen=True)
class TimeOver:
    """The end of the time that the search was given: no further trial has begun."""

    trials: int  # begun by then
    time: float  # seconds, the key `time` of the run


End = EarlyEnd | TimeOver


def end_of(fields: Mapping[str, Any]) -> End:
    """The early end with these fields. Raises TypeError if there is none."""
    return TimeOver(**fields) if "time" in fields else EarlyEnd(**fields)


def write_facts(run: Path, facts: Mapping[int, Mapping[str, float]]) -> None:
    """Writes constants of the data, such as baselines, by the index of the rung."""
    by_rung = {str(rung): dict(facts[rung]) for rung in sorted(facts)}
    write_json(run / FACTS_FILE, json.dumps(by_rung))


def read_facts(run: Path) -> dict[int, dict[str, float]]:
    """Constants of the data by the index of the rung; empty if the file is missing.

    Raises DamagedTable if it can't be read.
    """
    path = run / FACTS_FILE
    try:
        facts = read_json(path) or {}
        return {
            int(rung): {name: number(value) for name, value in values.items()}
            for rung, values in facts.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedTable(path, error) from error


def write_early_end(run: Path, end: End) -> None:
    """Writes the early end of a search."""
    write_json(run / STOP_FILE, json.dumps(asdict(end)))


def read_early_end(run: Path) -> End | None:
    """The early end of a search; None if there was none. Raises DamagedTable if its file can't be read."""
    path = run / STOP_FILE
    try:
        fields = read_json(path)
        if fields is None:
            return None
        return end_of({name: number(value) for name, value in asdict(end_of(fields)).items()})
    except (ValueError, TypeError) as error:
        raise DamagedTable(path, error) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file; None if the file is missing. Raises ValueError if it can't be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, RecursionError) as error:
        raise ValueError(f"it can't be read ({type(error).__name__})") from error


def number(value: Any) -> Any:
    """The value, if it is a number. Raises ValueError if not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value


def write_json(path: Path, text: str) -> None:
    """Writes a file, and its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
