"""Checks a space before a long search: in under a minute it finds errors that `run` would meet after hours.

All bounds of all parameters are tried for one training and one validation step: first together, in a few
configurations that cover them, then, while there is time, one at a time with the others at the default.
"""

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from results.cached import storage_folder
from results.text import bounds
from search.config.run_config import RunConfig
from search.core.rungs import UNLIMITED
from search.engines.train_job import training_setup
from search.runs.preflight import prepare
from spaces.lane import Lane
from spaces.messages import describe
from spaces.params import Choice, Param, Value, initial_value
from spaces.space import Space
from trainables import import_path
from trainables.training.dry_run import DryRun, dry_run, pack_findings, resume
from trainables.training.setup import Setup

SECONDS = 45.0  # after which no further configuration is tried one at a time
OK, NOTE, WRONG = "ok", "note", "wrong"
ALONE = "a trial on several devices trains alone"
LOSS_PARAMETERS = ("loss", "criterion", "objective")


@dataclass(frozen=True)
class Finding:
    """Result of one check, a row on the screen."""

    check: str
    verdict: str
    detail: str


def check(config: RunConfig, seconds: float = SECONDS) -> Iterator[Finding]:
    """Yields findings as they become known. Errors of the user's module are findings, not exceptions."""
    began = time.monotonic()
    try:
        config, notes = prepare(config)
        for name in (config.space.trainable, config.space.data):
            if name is not None:
                import_path.load(name)
    except Exception as error:  # the import of a user's module may raise anything
        yield Finding("import and data", WRONG, describe(error))
        return
    yield Finding("import and data", OK, f"{config.space.trainable}, {time.monotonic() - began:.1f} s")
    yield from (Finding("data", NOTE, note) for note in notes)
    yield objective(config.space)
    setup = Setup(**training_setup(config))
    with tempfile.TemporaryDirectory(prefix="ladder-check-") as folder:
        path = Path(folder) / "default.safetensors"
        lane = Lane(0, config.space.default(), seed=0)
        default = dry_run(setup, lane, Path(folder), path)
        if default.error:
            yield Finding("default", WRONG, default.error)
            return
        yield Finding("default", OK if default.finite else WRONG, f"{setup.objective} is {default.value:.4g}")
        resume_error = resume(setup, lane, path)
        size = path.stat().st_size if path.exists() else 0
        written = f"{format_bytes(size)}, written, read and continued from"
        yield Finding("checkpoint", WRONG if resume_error else OK, resume_error or written)
        results = yield from try_bounds(setup, config.space, default, Path(folder), began + seconds)
    yield memory(config, results)
    yield disk(config, size)
    packed, how = (False, ALONE) if setup.devices > 1 else pack_findings(setup, lane)
    yield Finding("packs", OK if packed else NOTE, how)


def objective(space: Space) -> Finding:
    """Whether each objective is the same quantity for all trials."""
    losses = [
        name
        for name, param in space.params.items()
        if name in LOSS_PARAMETERS and len(set(values_to_try(param))) > 1
    ]
    for one in space.objectives:
        if losses and "loss" in one.metric.lower():
            reason = f"{one.metric} is a different quantity for each {losses[0]}"
            rule = "rank by a metric that is the same for all trials (objective.metric in the space file)"
            return Finding("objective", WRONG, f"{reason}; {rule}")
    parts = [f"{one.metric} ({one.mode})" for one in space.objectives]
    return Finding("objective", OK, ", ".join([*parts, *(bounds(asdict(one)) for one in space.constraints)]))


def try_bounds(
    setup: Setup, space: Space, default: DryRun, folder: Path, deadline: float
) -> Generator[Finding, None, dict[str, DryRun]]:
    """Tries all `covering_configurations`, then the configurations of `one_at_a_time` until the deadline.

    Returns all results by label; `default` is among them. One device is enough, for errors of the shapes.
    """
    setup = replace(setup, devices=1)
    began, results, skipped = time.monotonic(), {"default": default}, 0
    covering = dict(covering_configurations(space))
    for label, params in covering.items():
        results[label] = dry_run(setup, Lane(0, params, seed=0), folder)
    for label, params in one_at_a_time(space):
        if time.monotonic() > deadline:
            skipped += 1
            continue
        results[label] = dry_run(setup, Lane(0, params, seed=0), folder)
    for label, result in results.items():
        values = ", ".join(f"{name}={value}" for name, value in covering.get(label, {}).items())
        values = f" ({values})" if values else ""
        if result.error:
            yield Finding(label, WRONG, result.error + values)
        if result.shapes:
            yield Finding(label, WRONG, f"output and target do not fit: {result.shapes}{values}")
    diverging = [label for label, result in results.items() if not result.finite]
    if diverging:
        yield Finding("diverging", NOTE, f"not finite after one step: {', '.join(diverging)}")
    bad = sum(result.error is not None or result.shapes is not None for result in results.values())
    included = "bounds that break a constraint left out" if space.rules else "all bounds included"
    detail = f"{len(results)} tried, {bad} bad, {included}, {time.monotonic() - began:.0f} s"
    detail += f"; no time to try {skipped} of them one at a time" if skipped else ""
    yield Finding("corners", WRONG if bad else OK, detail)
    return results


def covering_configurations(space: Space) -> Iterator[tuple[str, dict[str, Value]]]:
    """A few configurations, with labels, that together have all `values_to_try` of all parameters.

    The first has all lower bounds and the second all upper bounds; further ones have the remaining options.
    Configurations that break a rule of the space are left out.
    """
    remaining = {
        (name, repr(value)): value for name, param in space.params.items() for value in values_to_try(param)
    }

    def cover(params: dict[str, Value]) -> dict[str, Value]:
        for name, value in params.items():
            remaining.pop((name, repr(value)), None)
        return params

    smallest = space.configuration(lambda name, param, values: param.bounds[0])
    largest = space.configuration(lambda name, param, values: param.bounds[1])
    for label, params in (("all smallest", smallest), ("all largest", largest)):
        if space.broken_rule(params) is None:
            yield label, cover(params)
    number = 0
    while remaining:
        number += 1
        (first, _), value = next(iter(remaining.items()))
        fixed = {**conditions(space, first), first: value}

        def choose(name: str, param: Param, values: Mapping[str, Value], fixed: Any = fixed) -> Value:
            if name in fixed:
                return fixed[name]
            own = (value for (other, _), value in remaining.items() if other == name)
            return next(own, initial_value(param, values))

        params = space.configuration(choose)
        if space.broken_rule(params):
            params = space.point({**space.default(), **fixed})
        if space.broken_rule(params) is None:
            yield f"mixed {number}", cover(params)
        remaining.pop((first, repr(value)), None)  # unreachable if its conditions exclude each other


def one_at_a_time(space: Space) -> Iterator[tuple[str, dict[str, Value]]]:
    """Configurations, with labels, in which one parameter has one of its `values_to_try` and the others their
    default. Those that break a rule of the space are left out."""
    default = space.default()
    for name, param in space.params.items():
        for value in values_to_try(param):
            params = space.point({**default, **conditions(space, name), name: value})
            if params != default and space.broken_rule(params) is None:
                yield f"{name}={value}", params


def values_to_try(param: Param) -> tuple[Value, ...]:
    """The bounds of a range or of numeric choices; all options of other choices."""
    if isinstance(param, Choice) and any(isinstance(value, str | bool | None) for value in param.options):
        return param.options
    return param.bounds


def conditions(space: Space, name: str) -> dict[str, Value]:
    """Values of other parameters that make parameter `name` active."""
    values: dict[str, Value] = {}
    for other, allowed in space.params[name].when.items():
        values |= {**conditions(space, other), other: allowed[0]}
    return values


def memory(config: RunConfig, results: Mapping[str, DryRun]) -> Finding:
    """The peak memory of all dry runs, against the share of the GPU that a job has.

    Without a GPU: the memory of this process, against half of the machine's.
    """
    if not torch.cuda.is_available():
        used, total = psutil.Process().memory_info().rss, psutil.virtual_memory().total
        detail = f"{format_bytes(used)} of {format_bytes(total)} in this process"
        return Finding("memory", OK if used < total / 2 else NOTE, detail)
    label, largest = max(results.items(), key=lambda item: item[1].memory)
    share = 1.0 if config.gpus_per_job == "auto" else min(1.0, float(config.gpus_per_job) or 1.0)
    total = int(torch.cuda.get_device_properties(0).total_memory * share)
    verdict = OK if largest.memory < 0.9 * total else WRONG
    return Finding(
        "memory", verdict, f"{format_bytes(largest.memory)} of {format_bytes(total)} on the GPU, at {label}"
    )


def disk(config: RunConfig, checkpoint: int) -> Finding:
    """The space that one checkpoint of `checkpoint` bytes per trial takes, against the free disk space."""
    storage = storage_folder(config.storage)
    free = shutil.disk_usage(next(p for p in (storage, *storage.parents) if p.exists())).free
    trials, unit = (config.trials, "at most") if config.trials < UNLIMITED else (1, "a trial")
    need = checkpoint * trials
    detail = f"{format_bytes(need)} {unit}, {format_bytes(free)} free in {storage}"
    return Finding("disk", OK if need < free else WRONG, detail)


def format_bytes(size: float) -> str:
    """A number of bytes in MiB or GiB, with the unit."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings as a table for the terminal."""
    return [{"check": f.check, "result": f.verdict, "detail": f.detail} for f in findings]
