"""A search that begins where an earlier one ended (`warm_start=NAME`).

The earlier run's confirmed trials and then its best ones are the first to be tried. What all its trials have
shown goes to the sampler as if they were this run's own, if it is the same that they were measured by: the
same module, data, sizes of images on each rung and length of training. Both are written to the run's folder,
so a resumed run needs the earlier one no more.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from results.files import write_text
from results.store import Run, best_first
from search.config.fidelity import stages
from search.config.run_config import RunConfig
from search.core.samplers.all import Observation
from search.runs.folder import read_config

TOP = 5  # trials of the earlier run to begin with
FILE = "warm_start.json"


@dataclass(frozen=True)
class Warm:
    """What an earlier run gives: configurations to begin with, and what its trials have shown."""

    points: tuple[dict[str, Any], ...] = ()
    observations: tuple[Observation, ...] = ()
    why_not: str | None = None  # why there are no observations


NOTHING = Warm()


def warm_start(run: Run, config: RunConfig) -> Warm:
    """What `run` gives to a search. Raises ValueError if it ranks by something else or has no value."""
    objective = config.space.objective
    theirs, ours = run.config["objective"], asdict(objective)
    if theirs != ours:
        raise ValueError(
            f"warm_start={run.name} ranks by {theirs['metric']} ({theirs['mode']}), but this search by "
            f"{objective.metric} ({objective.mode}); choose a run with the same objective (warm_start=NAME)"
        )
    if run.best() is None:
        raise ValueError(f"warm_start={run.name} has no trial with a value (warm_start=NAME)")
    points: list[dict[str, Any]] = []
    for params in first_ones(run):
        point = config.space.point(params)
        if point not in points and len(points) < TOP:
            points.append(point)
    other = difference(run, config)
    return Warm(tuple(points), () if other else tuple(observations(run, config)), other)


def first_ones(run: Run) -> Iterator[dict[str, Any]]:
    """The parameters of the confirmed trials, best first, then of all others that have a value."""
    said = run.confirmation()
    confirmed = [config.trial for config in said.configs if config.trial is not None] if said else []
    valued = best_first(run.trials.to_pylist(), run.config["objective"]["mode"])
    first = [row for number in confirmed for row in valued if row["trial"] == number]
    space = read_config(run).space
    for row in [*first, *valued]:
        yield space.params_in(row)


def difference(run: Run, config: RunConfig) -> str | None:
    """What makes the values of an earlier run another quantity than this one's; None if nothing does."""
    space = config.space
    pairs = {
        "trainable": (run.config["trainable"], space.trainable),
        "data": (run.config["data"], space.data),
        "data's options": (run.config["options"], dict(space.options)),
        "settings": (run.config["settings"], dict(space.settings)),
        "arguments of the trainer": (run.config.get("trainer", {}), dict(space.trainer)),
        "epochs": (run.config["epochs"], config.epochs),
        "fidelity": (smaller(read_config(run)), smaller(config)),
    }
    return next((name for name, (was, now) in pairs.items() if was != now), None)


def smaller(config: RunConfig) -> dict[int, dict[str, int]]:
    """The sizes of what is trained on, by rung, where they are not the same on all."""
    found = stages(config.fidelity, config.rungs, config.space.options)
    return {epochs: sizes for epochs, sizes in found.items() if sizes}


def observations(run: Run, config: RunConfig) -> Iterator[Observation]:
    """The trials whose parameters are a configuration of the space, with their values at its rungs."""
    sign, metric = config.space.objective.sign, config.space.objective.metric
    values = {(row["trial"], row["epoch"]): row[metric] for row in run.epochs.to_pylist()}
    space = read_config(run).space
    for row in run.trials.to_pylist():
        params = space.params_in(row)
        if not config.space.holds(params) or row["state"] == "failed":
            continue
        seen: list[float] = []
        for epoch in config.rungs:
            value = values.get((row["trial"], epoch))
            if value is None or epoch > row["epochs"] or value != value:
                break
            seen.append(sign * value)
        if row["state"] == "diverged":
            seen.append(inf)
        if seen:
            yield Observation(params, tuple(seen), busy=False)


def write(folder: Path, warm: Warm) -> None:
    """Keeps it in a run's folder."""
    write_text(folder / FILE, json.dumps(asdict(warm)))


def read(folder: Path) -> Warm:
    """What a run's folder keeps; nothing if the run began from nothing."""
    if not (folder / FILE).exists():
        return NOTHING
    plain = json.loads((folder / FILE).read_text())
    seen = (Observation(o["params"], tuple(o["values"]), o["busy"]) for o in plain["observations"])
    return Warm(tuple(plain["points"]), tuple(seen), plain["why_not"])
