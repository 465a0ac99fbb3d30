"""A task for tests: curves that fall to a bowl, over a space with every kind of parameter."""

import json
import random
from dataclasses import asdict
from math import log, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.curves import TableTask
from benchmarks.recorded import SPACE
from search.runs.tables import column_types
from spaces.params import Choice, Range
from spaces.space import Objective, Space

EPOCHS = 9
PARAMS = {
    "x": Range(0.0, 1.0),
    "lr": Range(1e-3, 1.0, log=True),
    "kind": Choice(("a", "b", "c")),
    "depth": Range(1, 4, when={"kind": ("b", "c")}),
    "fixed": Choice((7,)),
}


def bowl_space(mode: str = "min") -> Space:
    return Space(
        name="bowl",
        about="",
        trainable="none:None",
        data="none:None",
        objective=Objective("val/f", mode),  # type: ignore[arg-type]
        params=PARAMS,
    )


def floor(params: dict[str, Any]) -> float:
    """The value to which the curve of a configuration falls."""
    u = log(params["lr"]) / log(1e-3)
    return (params["x"] - 0.3) ** 2 + (u - 0.3) ** 2 + 0.1 * params.get("depth", 2) * (params["kind"] != "b")


def make_task(seed: int, rows: int = 40, mode: str = "min") -> TableTask:
    """A tenth of the configurations diverges in the third epoch. Each has its own seconds per epoch."""
    rng, space = np.random.default_rng(seed), bowl_space(mode)
    own = random.Random(seed)
    configurations = [space.sample(own) for _ in range(rows)]
    curves = np.array(list(map(floor, configurations)))[:, None] + 1 / np.arange(1, EPOCHS + 1)
    seconds = np.repeat(rng.uniform(1, 3, size=(rows, 1)), EPOCHS, axis=1)
    bad = rng.choice(rows, rows // 10, replace=False)
    curves[bad, 2:], seconds[bad, 3:] = nan, nan
    return TableTask(f"bowl-{seed}", space, configurations, space.objective.sign * curves, seconds)


def write_recording(file: Path, task: TableTask) -> None:
    """The task as `record_curves` would have recorded it."""
    space = task.space
    params = {name: param.plain() for name, param in space.params.items()}
    objective = asdict(space.objective)
    about = {"name": space.name, "objective": objective, "params": params, "structure": ["kind"], "seed": 0}
    curves = dict.fromkeys(("val", "test", "seconds"), pa.list_(pa.float32()))
    rows = [
        {"number": number, **configuration, "val": val, "test": -val, "seconds": seconds}
        for number, (configuration, val, seconds) in enumerate(
            zip(task.table.configurations, task.table.curves, task.table.seconds, strict=True)
        )
    ]
    schema = pa.schema(
        {"number": pa.int32(), **column_types(space), **curves}, metadata={SPACE: json.dumps(about).encode()}
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
