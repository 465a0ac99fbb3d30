"""Complete runs made in a second: a formula replaces training."""

import io
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from results import environment
from results.store import Run, open_run
from search.config.run_config import resolve
from search.core.job import Job
from search.engines.local import LocalEngine
from search.runs.folder import write_config
from search.runs.run import search
from search.watch.progress import ProgressView
from spaces.lane import Report

SPACE = """\
about: A formula that learns
trainable: tests.formula:Formula
data: tests.formula:Formula
objective: {metric: val/loss, mode: min}
params:
  lr: {low: 1e-5, high: 1e-1, log: true}
  momentum: {low: 0.0, high: 0.99}
  depth: {low: 1, high: 8}
  dropout: {low: 0.0, high: 0.5}
  loss: [mse, l1, "32"]
  batch_size: [16, 32, 64]
  warmup: {low: 0.0, high: 0.3, when: {loss: mse}}
seeds: [{lr: 1e-3, loss: mse}]
"""


def train(job: Job) -> Iterator[Report]:
    """Losses fall towards a limit that depends on the parameters.

    Trials with a large learning rate diverge; trials 39, 79, 119 and so on fail.
    """
    alive = list(job.lanes)
    for epoch in range(job.first + 1, job.last + 1):
        if any(lane.number % 40 == 39 for lane in job.lanes):
            raise RuntimeError("out of memory: <b>tried</b> to allocate 20 GiB")
        metrics = {lane.number: {"val/loss": loss(lane.params, lane.seed, epoch)} for lane in alive}
        for values in metrics.values():
            values |= {"train/loss": values["val/loss"] * 0.9, "lr": 1e-3}
        diverged = frozenset(number for number, values in metrics.items() if math.isnan(values["val/loss"]))
        seconds, facts = 0.5 * len(alive), {"baseline": 2.4}
        yield Report(
            epoch, seconds, metrics, diverged, facts=facts, device="none", node="here", job=job.number
        )
        alive = [lane for lane in alive if lane.number not in diverged]
        if not alive:
            return


def loss(params, seed: int, epoch: int) -> float:
    """The validation loss; NaN if the trial diverges."""
    if params["lr"] > 0.07:
        return math.nan
    miss = (math.log10(params["lr"]) + 2.2) ** 2 / 4 + (params["dropout"] - 0.1) ** 2
    miss += 0.2 * (params["loss"] == "l1") + 0.02 * params["depth"]
    noise = random.Random(seed + epoch).gauss(0, 0.02)
    return 0.2 + miss + 1.5 * math.exp(-epoch / 4) + noise


def make_run(folder: Path, patch: pytest.MonkeyPatch, trials: int, name: str = "made", *more: str) -> Run:
    """A finished run in `folder`, searched by the local engine."""
    space = folder / "learning.yaml"
    space.write_text(SPACE)
    patch.setattr("os.fsync", lambda descriptor: None)  # slow: the journal calls it once a line
    overrides = [f"space={space}", f"name={name}", f"storage={folder}", "engine=local", "sampler=random"]
    config = resolve([*overrides, f"trials={trials}", "epochs=27", "grace=1", "lanes=100", *more])
    run = folder / name
    run.mkdir()
    write_config(run, config)
    environment.record(run)
    engine = LocalEngine(train)
    with ProgressView(Console(file=io.StringIO()), name, engine.workers) as view:
        search(engine, config, run, view)
    return open_run(run)
