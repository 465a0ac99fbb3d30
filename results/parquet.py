"""Reads and writes Parquet files: whole ones only, also while another process replaces them."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from results.files import replacing

Fields = Sequence[tuple[str, pa.DataType]]
THREADS_FROM = 2**20  # bytes; threads read large tables in half the time, and small ones no faster
OPTIONAL = ("violation", "front", "trained")  # earlier versions did not write them


def read_parquet(path: Path, fields: Fields, nullable: Collection[str] = ()) -> pa.Table | None:
    """The table in a Parquet file; None if the file is missing.

    Raises ValueError with one line, which does not name the file, if it can't be read or lacks one of the
    `fields`, or if one has another type, or nulls though it is not in `nullable`. Pages have checksums, but
    the footer has none: a changed one may go unnoticed if it is a footer still.
    """
    try:
        # PyArrow opens a path several times, and may find another file each time. A Python file is read by
        # its threads, which then abort the process at its end. So the file is read here, at once.
        content = pa.BufferReader(path.read_bytes())
        with pq.ParquetFile(content, page_checksum_verification=True) as parquet:
            table = parquet.read(use_threads=content.size() > THREADS_FROM)
            promised = parquet.metadata.num_rows
        table.validate(full=True)
        if table.num_rows != promised:  # PyArrow passes over a page with a zeroed header
            raise ValueError(f"{table.num_rows} rows in place of {promised}")
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, ValueError, LookupError, MemoryError, OverflowError) as error:
        raise ValueError(f"it is no whole Parquet file: {' '.join(str(error).split())[:200]}") from error
    for name, kind in fields:
        columns = table.schema.get_all_field_indices(name)
        if not columns and name in OPTIONAL:
            continue
        if len(columns) != 1:
            raise ValueError(f"it has {len(columns)} columns {name!r}, but must have one")
        column = table.column(columns[0])
        if column.type != kind and not (name in nullable and pa.types.is_null(column.type)):
            raise ValueError(f"its column {name!r} holds {column.type}, but must hold {kind}")
        if column.null_count and name not in nullable:
            raise ValueError(f"its column {name!r} lacks {column.null_count} values")
    return table


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a Parquet file under a temporary name and renames it. Creates the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)
