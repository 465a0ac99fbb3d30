"""The journal: its lock ends with its holder, and the private name of Optuna that it uses is still there."""

import inspect
import subprocess
import sys

from optuna.storages.journal import JournalFileBackend, _file

from search.core.journal import FileLock, open_journal, truncate_torn_line

HOLD_AND_DIE = """
import os, sys
from pathlib import Path
from search.core.journal import FileLock
FileLock(Path(sys.argv[1])).acquire()
os._exit(9)
"""


def test_optuna_still_has_the_lock_that_we_implement():
    assert inspect.isclass(_file.BaseJournalFileLock), "see search/core/journal.py"
    assert _file.BaseJournalFileLock.__abstractmethods__ == {"acquire", "release"}
    assert "lock_obj" in inspect.signature(JournalFileBackend.__init__).parameters


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "study.log"
    ended = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, str(path)], check=False)
    assert ended.returncode == 9
    lock = FileLock(path)
    assert lock.acquire()
    lock.release()


def test_half_a_last_line_is_removed_and_whole_lines_stay(tmp_path):
    path = tmp_path / "study.log"
    truncate_torn_line(path)
    assert not path.exists()
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n{"c"')
    truncate_torn_line(path)
    truncate_torn_line(path)
    assert path.read_bytes() == b'{"a": 1}\n{"b": 2}\n'


def test_a_journal_is_created_where_there_is_none(tmp_path):
    assert open_journal(tmp_path / "study.log").get_all_studies() == []
    assert (tmp_path / "study.log").exists()
