"""What of a run is copied to its remote storage, and when; for a local run, nothing.

The order is that of a database. A worker puts a checkpoint there before the journal refers to it
(`search/engines/job_files.py`). A copy sends the journal, then the tables and other files, and then deletes
checkpoints that are not needed any more. So the journal there refers only to checkpoints that are there.
"""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from results.cached import ELSEWHERE, remote_of
from results.files import TEMPORARY
from search.engines.job_files import SCRATCH
from search.runs import lease

JOURNAL = "study.log"  # `journal.py`, which has it too, loads Optuna
CHECKPOINTS = "checkpoints"
OWN = (lease.FILE, ELSEWHERE, "run.lock")  # files of this machine alone
FIRST = ("config.yaml", JOURNAL)  # the order in which files are copied; then all others


class Mirror:
    """The run in `folder` and its remote copy, if it has one. All methods raise RemoteError."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, remote_of(folder)
        self.sent: dict[str, tuple[int, int]] = {}  # size and time of each file when it was last copied
        self.unused: set[str] = set()  # checkpoints to delete after the next copy

    def copy(self) -> None:
        """Copies what has changed, then deletes checkpoints. Only for the search that holds the lock."""
        if self.remote is None:
            return
        lease.check_own(self.folder, self.remote)
        self.put(*copied_files(self.folder))
        for name in sorted(self.unused):
            self.remote.delete(name)
        self.unused.clear()

    def put(self, *names: str) -> None:
        """Copies these files of the folder, if they have changed."""
        for name in names if self.remote else ():
            assert self.remote
            status = (self.folder / name).stat()
            if self.sent.get(name) != (stamp := (status.st_size, status.st_mtime_ns)):
                self.remote.put(self.folder / name, name)
                self.sent[name] = stamp

    def replace(self, name: str) -> None:
        """Copies the folder `name`, in place of the one that is there."""
        if self.remote is None:
            return
        here = {path.name for path in (self.folder / name).iterdir()}
        self.put(*(f"{name}/{file}" for file in sorted(here)))
        for file in self.remote.child(name).files().keys() - here:
            self.remote.delete(f"{name}/{file}")

    def delete(self, names: Collection[str]) -> None:
        """Deletes checkpoints: of a local run at once, at the remote after the next copy."""
        if self.remote:
            self.unused |= set(names)
            return
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """The bytes of each checkpoint of the run, by its name relative to the folder."""
        if self.remote:
            found = self.remote.child(CHECKPOINTS).files()
            return {f"{CHECKPOINTS}/{name}": info.size for name, info in found.items()}
        files = (self.folder / CHECKPOINTS).rglob("*.safetensors")
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in files}

    def size(self, name: str) -> int | None:
        """The bytes of a checkpoint; None if it is not there."""
        if self.remote:
            info = self.remote.info(name)
            return info.size if info else None
        path = self.folder / name
        return path.stat().st_size if path.exists() else None


def copied_files(folder: Path) -> list[str]:
    """The files of a run's folder that are copied, in order, relative to it."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(filter(is_copied, names), key=lambda name: (name not in FIRST, name))


def is_copied(name: str) -> bool:
    """Whether a file of a run's folder is copied. Workers copy checkpoints."""
    parts = Path(name).parts
    temporary = any(TEMPORARY.fullmatch(part) for part in parts)
    return parts[0] not in (*OWN, CHECKPOINTS, SCRATCH) and not temporary


@contextmanager
def local_checkpoint(path: Path) -> Iterator[Path]:
    """The checkpoint `path` of a run to read from; one of a remote run is fetched for the block.

    Raises ValueError if it can't be fetched.
    """
    folder = next((above.parent for above in path.parents if above.name == CHECKPOINTS), path.parent)
    remote = remote_of(folder)
    if remote is None:
        yield path
        return
    name = path.relative_to(folder).as_posix()
    with tempfile.TemporaryDirectory(prefix="ladder-") as scratch:
        target = Path(scratch) / path.name
        try:
            remote.fetch(name, target)
        except FileNotFoundError as error:
            raise ValueError(f"{remote.uri} has no checkpoint {name}; restore it from a copy") from error
        yield target
