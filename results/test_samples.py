"""The table `results/test_samples.parquet`: the scores of each training of a confirmation on test samples."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from results.damage import DamagedFile
from results.parquet import read_parquet, write_table
from results.sample_scores import SampleScores

Key = tuple[str, int]  # name of a configuration, and a seed
FILE = "test_samples.parquet"
TEST_SAMPLE_FIELDS = [
    ("config", pa.string()),  # "trial 7" or "default"
    ("seed", pa.int64()),
    ("unit", pa.string()),  # sample or batch
    ("index", pa.int64()),  # of the unit, in the order of the test loader, from 0
    ("size", pa.int64()),  # samples in the unit
    ("score", pa.float32()),  # the objective on the unit
    ("combined", pa.string()),  # mean or root: how the scores make up that of the split
]


def write_test_samples(run: Path, scores: Mapping[Key, SampleScores]) -> None:
    """Writes the table of a run: the rows of a training stand together, in the order of the test loader."""
    schema = pa.schema(TEST_SAMPLE_FIELDS)
    tables = [
        pa.table(
            [
                pa.repeat(config, len(of.scores)),
                pa.repeat(pa.scalar(seed, pa.int64()), len(of.scores)),
                pa.repeat(of.unit, len(of.scores)),
                np.arange(len(of.scores)),
                of.sizes,
                of.scores,
                pa.repeat(of.combined, len(of.scores)),
            ],
            schema=schema,
        )
        for (config, seed), of in scores.items()
    ]
    write_table(pa.concat_tables([schema.empty_table(), *tables]), run / "results" / FILE)


def read_test_samples(run: Path) -> dict[Key, SampleScores]:
    """The scores by configuration and seed; empty without a table. Raises DamagedFile if it is damaged."""
    path = run / "results" / FILE
    try:
        table = read_parquet(path, TEST_SAMPLE_FIELDS)
        return {} if table is None else dict(trainings(table))
    except ValueError as error:
        advice = "remove it; the intervals are then those over the seeds alone"
        raise DamagedFile(path, error, advice) from error


def trainings(table: pa.Table) -> Iterator[tuple[Key, SampleScores]]:
    """The scores of each training in the table. Raises ValueError if there are others than were written."""
    index, sizes = table["index"].to_numpy(), table["size"].to_numpy()
    first = np.flatnonzero(index == 0)
    ends = [*first[1:], table.num_rows] if len(first) else []
    lengths = [end - start for start, end in zip(first, ends, strict=True)]
    whole = np.concatenate([[], *map(np.arange, lengths)])
    if not np.array_equal(index, whole) or (sizes < 1).any():
        raise ValueError("its rows are no whole trainings")
    for start, end in zip(first, ends, strict=True):
        part = table.slice(start, end - start)
        row = part.slice(0, 1).to_pylist()[0]
        scores = part["score"].to_numpy()
        of = SampleScores(row["unit"], sizes[start:end], scores, row["combined"])
        yield (row["config"], row["seed"]), of
