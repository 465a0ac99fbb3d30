"""The journal file of a study: Optuna's storage under a lock that no process can leave behind.

The only file that uses a private name of Optuna (checked with 5.0.0; tests/search/core/test_journal.py).
"""

import fcntl
import os
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock


class FileLock(BaseJournalFileLock):
    """The operating system's lock. It ends with the process, however that ends.

    Optuna's own lock is a file beside the journal. A process that was killed leaves it behind, which delays
    the next process by 30 seconds.
    """

    def __init__(self, path: Path) -> None:
        self.file = open(path, "ab")  # noqa: SIM115 (open as long as the study)

    def acquire(self) -> bool:
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.flock(self.file, fcntl.LOCK_UN)


def open_journal(path: Path) -> JournalStorage:
    """The storage in a journal file, which is created if there is none."""
    return JournalStorage(JournalFileBackend(str(path), FileLock(path)))


def truncate_torn_line(path: Path) -> None:
    """Removes half a last line, which a killed writer has left. Only for the holder of the run's lock."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
