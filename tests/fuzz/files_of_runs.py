"""The files in the folder of a run: whatever is damaged in one, each command ends in one line or is right."""

import json
import re
import shutil
import tempfile
from dataclasses import asdict, replace
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from results import environment, replays
from results.facts import EarlyEnd
from results.sample_scores import SampleScores
from results.store import Run, write_confirmed
from results.test_samples import write_test_samples
from search.after.report import make as make_report
from search.core.queue import Queue
from search.runs import warm_start
from search.runs.confirm import jobs_left
from search.runs.find import open_whole
from search.runs.folder import read_config, write_config
from search.runs.journal import check_journal, open_study
from search.runs.preflight import prepare_again
from search.runs.run import make_plan, open_idle, trials_of
from search.runs.tables import column_types, rebuild
from tests.fuzz.kind import Failure, Kind, command
from tests.results import made
from tests.results.test_replays import BASIS, LEAST, WORSE

SPACE = """\
trainable: tests.formula:Formula
data: tests.formula:Formula
objective: {metric: val/loss, mode: min}
params:
  lr: {low: 1e-5, high: 1e-1, log: true}
  loss: [mse, l1]
  warmup: {low: 0, high: 3, when: {loss: mse}}
  dropout: 0.1
  depth: 2
seeds: [{lr: 1e-3}]
"""
HOME = tempfile.TemporaryDirectory()  # until the process ends
EVERY = 30  # mutations of which one is reported on: a report takes long


@cache
def whole_run() -> Path:
    """The folder of a finished run with all files that a run can have."""
    folder = Path(HOME.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "SPACE", SPACE)
        run = made.make_run(folder, patch, 9, "r", "epochs=3", "lanes=1")
    config = replace(read_config(run), confirm_top=1, confirm_seeds=2, storage="runs")
    write_config(run.path, replace(config, space=replace(config.space, file="learning.yaml")))
    (run.path / environment.FILE).write_text(json.dumps([environment.describe() | {"versions": {}}]))
    rows = [
        {"config": name, "trial": number, "seed": seed, "state": "complete", "epoch": 3, "val": 0.2}
        | {"test": 0.2, "seconds": 1.0, "checkpoint": "checkpoints/a", "error": None}
        | {f"param/{name}": value for name, value in config.space.default().items()}
        for name, number in (("trial 0", 0), ("default", None))
        for seed in (1, 2)
    ]
    write_confirmed(run.path, rows, column_types(config.space))
    of = SampleScores("sample", np.ones(3, np.int64), np.array([0.1, 0.2, 0.3], np.float32), "mean")
    write_test_samples(run.path, {(row["config"], row["seed"]): of for row in rows})
    end = EarlyEnd(9, 0.1, 0.9, 0.2, 30)
    open_study(run.path, config).record_early_end(asdict(end))
    timeless(run.path / "study.log")
    run = rebuild(run.path)
    replays.write(run.path, replays.Replay(BASIS, (LEAST, WORSE)))
    found = warm_start.warm_start(run, config)
    warm_start.write(run.path, found)
    return run.path


def timeless(journal: Path) -> None:
    """Replaces times and the names of processes, so that mutations of a seed are the same ones each time."""
    times, text = count(1_700_000_000), journal.read_text()
    text = re.sub(r'"at":[\d.]+', lambda match: f'"at":{next(times)}.5', text)
    text = re.sub(r'"(datetime_\w+)":"[^"]+"', r'"\1":"2026-01-02T03:04:05.678901"', text)
    journal.write_text(re.sub(r'"worker_id":"[^"]+"', '"worker_id":"worker"', text))


def file_of_run(name: str):
    """A function that copies the run into a folder and returns its file of that name."""

    def make(folder: Path) -> Path:
        shutil.copytree(whole_run(), folder / "r")
        return folder / "r" / name

    return make


def preflight(folder: Path) -> None:
    """All that `resume` and `confirm` read before they train."""
    run = open_idle(folder)
    check_journal(run, read_config(run))
    config, _ = prepare_again(run)
    jobs_left(config, folder, trials_of(config, folder))
    plan = make_plan(config, warm_start.read(folder), 2)
    if config.trials <= 100:
        Queue(config.space, plan, open_study(folder, config))


def used(path: Path) -> None:
    """The run as the commands read it."""
    folder = next(parent for parent in path.parents if parent.name == "r")
    number, damaged = int(folder.parent.name), path.read_bytes()
    listed = command("list", f"storage={folder.parent}") if number % 3 == 0 else ""
    refused = None
    try:
        command("show", str(folder), *(["--json"] if number % 4 else []))
        if "unreadable" in listed:
            raise Failure("show shows what list can't open")
        run = open_whole(folder)
        if (
            path.name in CHECKED
            and footer(whole_run() / path.relative_to(folder)) in damaged
            and rows(run) != whole_rows()
        ):
            raise Failure("the tables differ from those that the journal gives")
        if number % EVERY == 0:
            make_report(run)
        replays.read(folder)
    except ValueError as error:
        refused = error
    if number % 2:
        preflight(folder)
    if refused is not None:
        raise refused


def footer(path: Path) -> bytes:
    """The end of a Parquet file: its schema and the places of its pages. It has no checksum."""
    data = path.read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") :]


def rows(run: Run) -> tuple[object, ...]:
    """What the tables hold that are derived from the journal."""
    return tuple(table.to_pylist() for table in (run.trials, run.rungs, run.epochs))


@cache
def whole_rows() -> tuple[object, ...]:
    """The rows of the run before a file is damaged."""
    return rows(open_whole(whole_run()))


CHECKED = ("trials.parquet", "rungs.parquet", "00000.parquet")  # their pages have checksums
FILES = (
    *("config.yaml", "study.log", "warm_start.json", "environment.json", "results/facts.json"),
    *("results/stop.json", "results/trials.parquet", "results/rungs.parquet"),
    *(
        "results/epochs/00000.parquet",
        "results/confirm.parquet",
        "results/test_samples.parquet",
        "results/replay.parquet",
    ),
)
KINDS = {name: Kind(file_of_run(name), used) for name in FILES}
