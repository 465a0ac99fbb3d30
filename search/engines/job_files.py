"""Where a job reads and writes its checkpoints: in the run's folder, or beside a remote storage.

A node that shares no file system with the search fetches what its job begins with, and puts the result into
the remote storage before the search hears of it. It keeps nothing: the files of a job lie in a folder of
their own that is deleted with it.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from results.cached import cache_folder
from results.remote import Remote
from spaces.lane import StorageError

SCRATCH = "jobs"  # folder of the jobs of this machine, in the run's


@dataclass(frozen=True)
class JobFiles:
    """The files of a job in `folder`; `remote` is the run at the remote storage, None for a local run."""

    folder: Path
    remote: Remote | None

    def start(self, name: str) -> str:
        """The path of a checkpoint of the run, to begin with. Raises StorageError if it can't be fetched."""
        path = self.folder / name
        if self.remote and not path.exists():
            try:
                self.remote.fetch(name, path)
            except FileNotFoundError:
                pass  # it is damage like that of a local run: who reads it says so
            except OSError as error:
                raise StorageError(str(error)) from error
        return str(path)

    def keep(self, name: str) -> None:
        """The job has written its checkpoint. Raises StorageError if it can't be put into the storage."""
        if self.remote and (self.folder / name).exists():
            try:
                self.remote.put(self.folder / name, name)
            except OSError as error:
                raise StorageError(str(error)) from error


@contextmanager
def job_files(folder: str, uri: str | None) -> Iterator[JobFiles]:
    """The files of a job of the run in `folder`; `uri` is its address at a remote storage.

    Raises StorageError if this machine has no room for them.
    """
    if uri is None:
        yield JobFiles(Path(folder), None)
        return
    remote = Remote(uri)
    scratch = make_scratch(remote)
    try:
        yield JobFiles(scratch, remote)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def make_scratch(remote: Remote) -> Path:
    """A new folder for a job of this process. Deletes those that killed workers of this machine have left.

    Raises StorageError if it can't be made.
    """
    host = socket.gethostname()  # the home folder may be that of several machines
    try:
        jobs = cache_folder(remote.parent) / remote.name / SCRATCH
        jobs.mkdir(parents=True, exist_ok=True)
        for left in jobs.glob(f"{host}@*"):
            if not psutil.pid_exists(int(left.name.split("@")[1])):
                shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{host}@{os.getpid()}@", dir=jobs))
    except OSError as error:
        raise StorageError(f"no folder for the files of a job: {error} (XDG_CACHE_HOME)") from error
