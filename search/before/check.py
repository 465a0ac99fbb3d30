"""Looks a space over before a long search: what `run` would find out after hours, in under a minute.

Every end of every parameter is tried for one training and one validation step: first in a few configurations
that have them all, then, while there is time, each alone with the others at the default.
"""

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from search.config.run_config import RunConfig
from search.engines.train_job import training_setup
from search.runs.preflight import prepare
from spaces.lane import Lane
from spaces.params import Choice, Param, Value, initial_value
from spaces.space import Space
from trainables import import_path
from trainables.training.dry_run import DryRun, batching_error, dry_run, resume
from trainables.training.train import Setup

BUDGET = 45.0  # seconds until the last end is tried alone
OK, NOTE, WRONG = "ok", "note", "wrong"
LOSSES = ("loss", "criterion", "objective")


@dataclass(frozen=True)
class Finding:
    """One line of what was found."""

    what: str
    verdict: str
    detail: str


def check(config: RunConfig) -> Iterator[Finding]:
    """What is found, as it is found."""
    began = time.monotonic()
    try:
        config, notes = prepare(config)
        for path in (config.space.trainable, config.space.data):
            import_path.load(path)
    except Exception as error:  # whatever a user's module raises when it is imported is a finding
        yield Finding("import and data", WRONG, f"{type(error).__name__}: {' '.join(str(error).split())}")
        return
    yield Finding("import and data", OK, f"{config.space.trainable}, {time.monotonic() - began:.1f} s")
    yield from (Finding("data", NOTE, note) for note in notes)
    yield comparable(config.space)
    plan = Setup(**training_setup(config))
    with tempfile.TemporaryDirectory(prefix="ladder-check-") as folder:
        out = Path(folder) / "default.safetensors"
        lane = Lane(0, config.space.default(), seed=0)
        first = dry_run(plan, lane, Path(folder), out)
        if first.error:
            yield Finding("default", WRONG, first.error)
            return
        yield Finding("default", OK if first.finite else WRONG, f"{plan.objective} is {first.value:.4g}")
        broken = resume(plan, lane, out)
        size = out.stat().st_size if out.exists() else 0
        yield Finding(
            "checkpoint", WRONG if broken else OK, broken or f"{mib(size)}, written, read, gone on from"
        )
        tried = yield from corners_tried(plan, config.space, first, Path(folder), began + BUDGET)
    yield memory(config, tried)
    yield disk(config, size)
    reason = batching_error(plan, lane)
    yield Finding("packs", NOTE if reason else OK, reason or "lanes are trained as one batched model")


def corners_tried(
    plan: Setup, space: Space, first: DryRun, folder: Path, until: float
) -> Generator[Finding, None, dict[str, DryRun]]:
    """Tries all of `covering`, and of `alone` what there is time for; returns all that was tried."""
    began, tried, left = time.monotonic(), {"default": first}, 0
    together = dict(covering(space))
    for label, params in together.items():
        tried[label] = dry_run(plan, Lane(0, params, seed=0), folder)
    for label, params in alone(space):
        if time.monotonic() > until:
            left += 1
            continue
        tried[label] = dry_run(plan, Lane(0, params, seed=0), folder)
    for label, one in tried.items():
        known = ", ".join(f"{name}={value}" for name, value in together.get(label, {}).items())
        known = f" ({known})" if known else ""
        if one.error:
            yield Finding(label, WRONG, one.error + known)
        if one.shapes:
            yield Finding(label, WRONG, f"output and target do not fit: {one.shapes}{known}")
    wild = [label for label, one in tried.items() if not one.finite]
    if wild:
        yield Finding("diverging", NOTE, f"not finite after one step: {', '.join(wild)}")
    seconds = f"{time.monotonic() - began:.0f} s"
    more = f"; no time to try {left} of them alone" if left else ""
    bad = sum(one.error is not None or one.shapes is not None for one in tried.values())
    detail = f"{len(tried)} tried, {bad} bad, every end among them, {seconds}{more}"
    yield Finding("corners", WRONG if bad else OK, detail)
    return tried


def covering(space: Space) -> Iterator[tuple[str, dict[str, Value]]]:
    """A few configurations that have every end of every parameter: all at their smallest, all at their
    largest, and mixed ones for what choices have besides."""
    left = {(name, repr(value)): value for name, param in space.params.items() for value in ends(param)}

    def seen(params: dict[str, Value]) -> dict[str, Value]:
        for name, value in params.items():
            left.pop((name, repr(value)), None)
        return params

    yield "all smallest", seen(space.configuration(lambda name, param, values: param.bounds[0]))
    yield "all largest", seen(space.configuration(lambda name, param, values: param.bounds[1]))
    number = 0
    while left:
        number += 1
        (first, _), value = next(iter(left.items()))
        wanted = {**needed(space, first), first: value}

        def choose(name: str, param: Param, values: Mapping[str, Value], wanted: Any = wanted) -> Value:
            if name in wanted:
                return wanted[name]
            return next((v for (other, _), v in left.items() if other == name), initial_value(param, values))

        yield f"mixed {number}", seen(space.configuration(choose))
        left.pop((first, repr(value)), None)  # one that counts beside nothing else can't be had


def alone(space: Space) -> Iterator[tuple[str, dict[str, Value]]]:
    """Each parameter at its ends, the others at the default."""
    default = space.default()
    for name, param in space.params.items():
        for value in ends(param):
            params = space.point({**default, **needed(space, name), name: value})
            if params != default:
                yield f"{name}={value}", params


def ends(param: Param) -> tuple[Value, ...]:
    """What to try of a parameter: the ends of numbers, and all of other choices."""
    if isinstance(param, Choice) and any(isinstance(value, str | bool | None) for value in param.options):
        return param.options
    return param.bounds


def needed(space: Space, name: str) -> dict[str, Value]:
    """Values of other parameters beside which `name` counts."""
    found: dict[str, Value] = {}
    for other, values in space.params[name].when.items():
        found |= {**needed(space, other), other: values[0]}
    return found


def comparable(space: Space) -> Finding:
    """Whether the objective is one quantity for all trials."""
    varied = [name for name, param in space.params.items() if name in LOSSES and len(set(ends(param))) > 1]
    metric = space.objective.metric
    if varied and "loss" in metric.lower():
        text = f"{metric} is another quantity for each {varied[0]}; rank by a metric that is the same for all"
        return Finding("objective", WRONG, f"{text} (objective.metric in the space file)")
    return Finding("objective", OK, f"{metric} ({space.objective.mode})")


def memory(config: RunConfig, tried: Mapping[str, DryRun]) -> Finding:
    """The largest corner against what the device has for a job."""
    if not torch.cuda.is_available():
        used, whole = psutil.Process().memory_info().rss, psutil.virtual_memory().total
        return Finding(
            "memory", OK if used < whole / 2 else NOTE, f"{mib(used)} of {mib(whole)} in this process"
        )
    label, largest = max(tried.items(), key=lambda item: item[1].memory)
    share = 1.0 if config.gpus_per_job == "auto" else min(1.0, float(config.gpus_per_job) or 1.0)
    whole = int(torch.cuda.get_device_properties(0).total_memory * share)
    verdict = OK if largest.memory < 0.9 * whole else WRONG
    return Finding("memory", verdict, f"{mib(largest.memory)} of {mib(whole)} on the GPU, at {label}")


def disk(config: RunConfig, checkpoint: int) -> Finding:
    """The checkpoints of all trials against what is free."""
    storage = Path(config.storage).absolute()
    free = shutil.disk_usage(next(p for p in (storage, *storage.parents) if p.exists())).free
    need = checkpoint * config.trials
    return Finding(
        "disk", OK if need < free else WRONG, f"{mib(need)} at the most, {mib(free)} free in {storage}"
    )


def mib(size: float) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """As a table for the terminal."""
    return [{"check": f.what, "result": f.verdict, "detail": f.detail} for f in findings]
