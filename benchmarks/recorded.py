"""Learning curves that `record_curves.py` has recorded, as tasks: real spaces, real seconds."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.curves import TableTask, load_files
from spaces.parse_space import parse_space

SPACE = b"space"  # key of a file's metadata: the space, as `record_curves.description` writes it
REPLAY = "search.replay.training:Replay"  # in place of the module and of the data


def load_recorded(folder: Path) -> list[TableTask]:
    """The tasks in the Parquet files of `folder`, by name. Raises ValueError if there is no such file."""
    return load_files(folder, read_recorded)


def read_recorded(file: Path) -> TableTask:
    """The task in one file, by its curves on the validation split.

    Raises ValueError if the file is no recording, or its curves are no task (`Task`).
    """
    table = pq.read_table(file)
    about = (table.schema.metadata or {}).get(SPACE)
    if about is None:
        raise ValueError(f"{file} is no recording of learning curves (python -m benchmarks.record_curves)")
    plain = json.loads(about)
    fields = {key: plain[key] for key in ("objective", "params", "structure")}
    space = parse_space({"trainable": REPLAY, "data": REPLAY, **fields}, plain["name"], f"{file}", {})
    columns = table.select(list(space.params)).rename_columns([f"param/{name}" for name in space.params])
    configurations = [space.params_in(row) for row in columns.to_pylist()]
    val, seconds = (np.array(table[name].to_pylist(), dtype=float) for name in ("val", "seconds"))
    return TableTask(file.stem, space, configurations, val, seconds)
