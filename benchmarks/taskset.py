"""TaskSet (Metz et al., 2020, arXiv:2002.11887): Adam with eight parameters, 1,000 configurations a task."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.curves import TableTask, load_files
from spaces.params import Range
from spaces.space import Objective, Space

# One range per column of TaskSet. Beta1 and beta2 are log-uniform in their distance from 1.
PARAMS = {
    "learning_rate": Range(1e-8, 10.0, log=True),
    "one_minus_beta1": Range(1e-4, 1.0, log=True),
    "one_minus_beta2": Range(1e-6, 1.0, log=True),
    "epsilon": Range(1e-10, 1e3, log=True),
    "l1": Range(1e-8, 10.0, log=True),
    "l2": Range(1e-8, 10.0, log=True),
    "linear_decay": Range(1e-7, 1e-4, log=True),
    "exponential_decay": Range(1e-6, 1e-3, log=True),
}
COMPLEMENT = "one_minus_"  # prefix of a parameter that is 1 - its column


def load_taskset(folder: Path) -> list[TableTask]:
    """The tasks in the Parquet files of `folder`, by name. Raises ValueError if there is no such file."""
    return load_files(folder, read_taskset)


def read_taskset(file: Path) -> TableTask:
    """The task in one file: columns as in PARAMS, and the validation losses `valid`. Raises ValueError if the
    file lacks one.

    An epoch of a curve is one of its 51 recorded losses: the first was measured before training, the others
    every 200 steps. Each takes a second.
    """
    space = Space(
        name=file.stem,
        about="",
        trainable="search.replay.training:Replay",
        data="search.replay.training:Replay",
        objective=Objective("val/loss", "min"),
        params=PARAMS,
    )
    table = pq.read_table(file).to_pydict()
    needed = {name.removeprefix(COMPLEMENT) for name in PARAMS} | {"valid"}
    if lacking := sorted(needed - table.keys()):
        raise ValueError(f"{file} is no task of TaskSet: it has no column {lacking[0]!r} (taskset=FOLDER)")
    columns = [
        [1 - value for value in table[name.removeprefix(COMPLEMENT)]]
        if name.startswith(COMPLEMENT)
        else table[name]
        for name in PARAMS
    ]
    configurations = [dict(zip(PARAMS, row, strict=True)) for row in zip(*columns, strict=True)]
    curves = np.array(table["valid"], dtype=float)
    return TableTask(file.stem, space, configurations, curves, seconds=np.ones_like(curves))
