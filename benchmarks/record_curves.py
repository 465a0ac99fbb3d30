"""Learning curves of random configurations, recorded by Ladder's own packs.

    python -m benchmarks.record_curves FILE space=NAME trials=1500 epochs=27 [OVERRIDES] [--threads 1]

Trains `trials` configurations of a space for `epochs` epochs each, on the first seed of the run, and writes
one row per configuration into FILE (Parquet): its `number`, its parameters, and per epoch the objective on
the validation split (`val`), on the test split (`test`), and its `seconds`. All are NaN after a divergence.
OVERRIDES are those of `python -m search run`: data.root=FOLDER, backbone=NAME ...

Configurations are random. The first ones are the same whatever `trials` is, so a file can be extended later.
FILE is rewritten after each pack under a temporary name. The same command continues where it was killed; the
lanes that are left form other packs then, whose dropout is other.

Seconds are of processor time, which other processes on the machine disturb little; a pack's are divided by
its lanes, which all have the same structure.
"""

import argparse
import json
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.recorded import SPACE
from benchmarks.with_test import PREFIX, with_test
from search.config.run_config import RunConfig, resolve
from search.core.job import trial_seed
from search.core.samplers.random import Random
from search.engines.train_job import training_setup
from search.runs.preflight import prepare
from search.runs.tables import column_types
from spaces.lane import Lane
from trainables.training.fits import make_fits
from trainables.training.memory import free_memory, keep_memory
from trainables.training.run_fit import run_fit
from trainables.training.setup import Setup

LANES = 32  # at most, in a pack
CURVES = {name: pa.list_(pa.float32()) for name in ("val", "test", "seconds")}

Row = dict[str, Any]


def packs(config: RunConfig, done: Container[int]) -> Iterator[list[Lane]]:
    """The lanes that are left, in packs of equal structure."""
    params = Random(config.space, config.rungs, config.seed).propose([], config.trials)
    alike: dict[str, list[Lane]] = {}
    for number in range(len(params)):
        if number not in done:
            lane = Lane(number, params[number], trial_seed(config.seed, number, config.init_seed))
            structure = [lane.params.get(name) for name in config.space.structure]
            alike.setdefault(repr(structure), []).append(lane)
    for lanes in alike.values():
        yield from (lanes[first : first + LANES] for first in range(0, len(lanes), LANES))


def record(setup: Setup, lanes: list[Lane], folder: Path) -> list[Row]:
    """Trains a pack for all epochs; the rows of its lanes. Raises any exception of the module."""
    metric = setup.objective
    test = metric.replace("/", f"/{PREFIX}", 1)
    curves = {lane.number: {name: [nan] * setup.epochs for name in CURVES} for lane in lanes}
    (fit,), _ = make_fits(setup, lanes, folder)
    before = time.process_time()
    for report in run_fit(fit, (metric,), 0, setup.epochs, None):
        now = time.process_time()
        for number, metrics in report.metrics.items():
            values = {"seconds": (now - before) / len(report.metrics)}
            if number not in report.diverged:
                values |= {"val": metrics[metric], "test": metrics[test]}
            for name, value in values.items():
                curves[number][name][report.epoch - 1] = value
        before = now
    return [{"number": lane.number, **lane.params, **curves[lane.number]} for lane in lanes]


def description(config: RunConfig) -> str:
    """What the file says of itself, as JSON: the space as in a space file, and what was trained.

    No paths: files of data are identified by their content.
    """
    plain = config.plain()
    kept = {key: plain[key] for key in ("objective", "params", "structure", "settings", "seed", "epochs")}
    options = {name: value for name, value in plain["options"].items() if name != "root"}
    return json.dumps({"name": config.space.name, **kept, "options": options})


def read_rows(file: Path, about: str) -> list[Row]:
    """The rows of an earlier recording; none if there is no file. Raises ValueError if it is another one."""
    if not file.exists():
        return []
    table = pq.read_table(file)
    if table.schema.metadata.get(SPACE, b"").decode() != about:
        raise ValueError(f"{file} is a recording of another space or other settings; choose another FILE")
    return table.to_pylist()


def write_rows(file: Path, rows: Sequence[Row], types: Mapping[str, pa.DataType], about: str) -> None:
    """Writes the rows by number, under a temporary name first."""
    schema = pa.schema({"number": pa.int32(), **types, **CURVES}, metadata={SPACE: about.encode()})
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["number"]), schema)
    temporary = file.with_name(f".{file.name}")
    pq.write_table(table, temporary, compression="zstd", compression_level=9)
    temporary.replace(file)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("overrides", nargs="+", metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config, _ = prepare(resolve(options.overrides))
    torch.set_num_threads(options.threads)
    keep_memory()
    setup = Setup(**training_setup(config))
    setup = replace(setup, trainable=with_test(setup.trainable), data=with_test(setup.data))
    about = description(config)
    types = column_types(config.space)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    rows = read_rows(options.file, about)
    began, before = time.perf_counter(), len(rows)
    for lanes in packs(config, {row["number"] for row in rows}):
        free_memory()
        rows += record(setup, lanes, options.file.parent)
        write_rows(options.file, rows, types, about)
        pace = (time.perf_counter() - began) / (len(rows) - before)
        left = pace * (config.trials - len(rows)) / 60
        print(f"{len(rows)} of {config.trials}, {left:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
