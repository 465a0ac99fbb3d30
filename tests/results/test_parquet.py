"""Tables are read while another process writes them, and a damaged one is one line."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.columns import RUNG_FIELDS
from results.parquet import read_parquet, write_table
from results.store import read_table
from tests.search.command import ROOT

READS = 1500
REWRITE = """
import sys
from pathlib import Path
import pyarrow as pa
from results.parquet import write_table
tables = [pa.table({"trial": list(range(count))}) for count in (10, 5000)]
while True:
    for table in tables:
        write_table(table, Path(sys.argv[1]))
    print("written", flush=True)
"""


def test_a_table_is_read_while_another_process_rewrites_it(tmp_path):
    path = tmp_path / "t.parquet"
    with subprocess.Popen([sys.executable, "-c", REWRITE, path], cwd=ROOT, stdout=subprocess.PIPE) as writer:
        try:
            writer.stdout.readline()
            sizes = {read_table(path, [("trial", pa.int64())]).num_rows for _ in range(READS)}
        finally:
            writer.kill()
    assert sizes <= {10, 5000}


def test_a_missing_file_is_no_table(tmp_path):
    assert read_parquet(tmp_path / "none.parquet", RUNG_FIELDS) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no whole Parquet file"),
        (b"PAR1", "no whole Parquet file"),
        ({"b": [1]}, "0 columns 'a', but must have one"),
        ({"a": ["x"]}, "'a' holds string, but must hold int64"),
        ({"a": [1, None]}, "'a' lacks 1 values"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, content, reason):
    path = tmp_path / "t.parquet"
    path.write_bytes(content) if isinstance(content, bytes) else write_table(pa.table(content), path)
    with pytest.raises(ValueError, match=reason):
        read_parquet(path, [("a", pa.int64())])


def test_a_zeroed_page_header_does_not_make_an_empty_table(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table({"a": list(range(15))})
    pq.write_table(table, path, use_dictionary=False)
    data, column = bytearray(path.read_bytes()), pq.read_metadata(path).row_group(0).column(0)
    data[column.data_page_offset : column.data_page_offset + 8] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="no whole Parquet file"):
        read_parquet(path, [("a", pa.int64())])


def test_a_flipped_bit_in_the_values_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(pa.table({"a": list(range(1000))}), path)
    column = pq.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="no whole Parquet file"):
        read_parquet(path, [("a", pa.int64())])
