"""A search that begins where an earlier one ended (`warm_start=NAME`).

The confirmed trials of the earlier run and then its best ones are tried first. The sampler gets all its
trials as observations, if their values are comparable: equal module, data, settings, image sizes per rung and
length of training. Both are copied into the run's folder, so a resumed run does not need the earlier one.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from results.damage import DamagedFile
from results.files import write_text
from results.store import Run, best_first
from search.config.run_config import RunConfig
from search.core.history import Observation
from search.core.ranking import vector
from search.runs.folder import read_config
from spaces.space import Space

TOP = 5  # trials of the earlier run to try first
FILE = "warm_start.json"


@dataclass(frozen=True)
class WarmStart:
    """Results of an earlier run for a new search."""

    points: tuple[dict[str, Any], ...] = ()  # configurations to try first
    observations: tuple[Observation, ...] = ()
    difference: str | None = None  # setting that makes the values incomparable, so there are no observations


def warm_start(run: Run, config: RunConfig) -> WarmStart:
    """The results of `run` for a search with `config`.

    Raises ValueError if its objectives are others, or no trial of it has a value.
    """
    theirs, ours = run.objectives, [asdict(objective) for objective in config.space.objectives]
    if theirs != ours:
        theirs_text, ours_text = (
            " and ".join(f"{one['metric']} ({one['mode']})" for one in objectives)
            for objectives in (theirs, ours)
        )
        raise ValueError(
            f"warm_start={run.name} ranks by {theirs_text}, but this search by {ours_text}; choose a run "
            "with the same objective (warm_start=NAME)"
        )
    if run.best() is None:
        raise ValueError(f"warm_start={run.name} has no trial with a value (warm_start=NAME)")
    points: list[dict[str, Any]] = []
    for params in best_params(run):
        point = config.space.point(params)
        if point not in points and len(points) < TOP and not config.space.broken_rule(point):
            points.append(point)
    other = difference(run, config)
    return WarmStart(tuple(points), () if other else tuple(observations(run, config)), other)


def note(earlier: WarmStart) -> str:
    """One line for the screen."""
    use = f"{len(earlier.observations)} of its trials are known to the sampler"
    if earlier.difference:
        use = f"its values are not compared with these, because the {earlier.difference} differ"
    return f"{len(earlier.points)} trials of the earlier run come first; {use}"


def best_params(run: Run) -> Iterator[dict[str, Any]]:
    """Parameters of the confirmed trials, best first, then of all trials that have a value."""
    confirmation = run.confirmation
    entries = confirmation.configs if confirmation else ()
    numbers = [entry.trial for entry in entries if entry.trial is not None]
    ranked = best_first(run.trials.to_pylist(), run.objective["mode"])
    confirmed = [row for number in numbers for row in ranked if row["trial"] == number]
    space = read_config(run).space
    for row in [*confirmed, *ranked]:
        yield space.params_in(row)


def difference(run: Run, config: RunConfig) -> str | None:
    """The first setting that makes values of the run incomparable with this search's; None if all agree."""
    space, old = config.space, read_config(run)
    pairs = {
        "seeds and splits of its version": (old.format, config.format),
        "trainable": (old.space.trainable, space.trainable),
        "data": (old.space.data, space.data),
        "data's options": (dict(old.space.options), dict(space.options)),
        "settings": (dict(old.space.settings), dict(space.settings)),
        "arguments of the trainer": (dict(old.space.trainer), dict(space.trainer)),
        "devices of a trial": (old.devices_per_trial, config.devices_per_trial),
        "epochs": ((*old.grown_from, old.epochs), (*config.grown_from, config.epochs)),
        "fidelity": (image_sizes(old), image_sizes(config)),
        "options of the same name": common_values(old.space, space),
    }
    return next((name for name, (theirs, ours) in pairs.items() if theirs != ours), None)


def common_values(old: Space, new: Space) -> tuple[list[Any], list[Any]]:
    """The values of the labels that both spaces have, in the old one and in the new one."""
    theirs, ours = old.option_values, new.option_values
    common = [(name, key) for name in theirs for key in theirs[name] if key in ours.get(name, {})]
    return [theirs[name][key] for name, key in common], [ours[name][key] for name, key in common]


def image_sizes(config: RunConfig) -> dict[int, dict[str, int]]:
    """Options of the data that differ between rungs, by the epochs of the rung."""
    return {
        epochs: dict(sizes) for epochs, sizes in zip(config.rungs, config.rung_options, strict=True) if sizes
    }


def observations(run: Run, config: RunConfig) -> Iterator[Observation]:
    """The trials whose parameters are a configuration of the space, with their values at its rungs."""
    names, space = config.space.ranking_metrics, read_config(run).space
    results = {
        (row["trial"], row["epoch"]): {name: row.get(name) for name in names}
        for row in run.epochs.to_pylist()
    }
    for row in run.trials.to_pylist():
        params = space.params_in(row)
        if not config.space.holds(params) or row["state"] == "failed":
            continue
        own: list[tuple[float, ...]] = []
        for epoch in config.rungs:
            metrics = results.get((row["trial"], epoch), {})
            known = [value for value in metrics.values() if value is not None and value == value]
            if len(known) < len(names) or epoch > row["epochs"]:
                break
            own.append(vector(config.space, metrics))
        values = [one[1] for one in own] + [inf] * (row["state"] == "diverged")
        if values:
            yield Observation(params, tuple(values), () if config.space.ranks_by_value else tuple(own))


def write(folder: Path, earlier: WarmStart) -> None:
    """Writes it into the folder of a run."""
    write_text(folder / FILE, json.dumps(asdict(earlier)))


def read(folder: Path) -> WarmStart:
    """Reads it from the folder of a run; empty if the run has none. Raises ValueError if it is damaged."""
    path = folder / FILE
    if not path.exists():
        return WarmStart()
    try:
        plain = json.loads(path.read_bytes())
        seen = tuple(
            Observation(
                dict(o["params"]),
                tuple(map(float, o["values"])),
                tuple(tuple(map(float, one)) for one in o.get("vectors", ())),
            )
            for o in plain["observations"]
        )
        points = tuple(map(dict, plain["points"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFile(path, error, "remove it, and it is made again from the earlier run") from error
    return WarmStart(points, seen, plain.get("difference", plain.get("why_not")))
