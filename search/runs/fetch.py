"""Brings a run from a remote storage to this machine: all its files but the checkpoints."""

import os
import re
import time
from pathlib import Path

from results.cached import cache_folder, note_elsewhere
from results.remote import Info, Remote
from results.store import is_held
from search.runs import lease
from search.runs.mirror import JOURNAL, is_copied

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
LARGE = ("best", "report.html")  # what no command needs


def fetch(storage: Remote, name: str) -> Path | None:
    """The folder on this machine of the run `name`, as new as its remote copy; None if there is no such run.

    Raises ValueError if neither journal is a continuation of the other, or the storage can't be used.
    """
    folder, remote = cache_folder(storage) / name, storage.child(name)
    if is_held(folder):
        return folder  # the copy follows
    files = remote.files()
    if "config.yaml" not in files:
        return None
    folder.mkdir(exist_ok=True)
    note_elsewhere(folder, lease.seconds_left(folder, remote, time.time()))
    if not is_ahead(folder, remote):
        # The journal last: no table has trials that it lacks.
        for file in sorted(files, key=lambda file: file == JOURNAL):
            target, info = folder / file, files[file]
            if is_copied(file) and Path(file).parts[0] not in LARGE and not is_equal(target, info):
                remote.fetch(file, target)
                os.utime(target, (info.at, info.at))
    return folder


def is_equal(path: Path, info: Info) -> bool:
    """Whether a local file is the one that was fetched, and not written since."""
    return path.exists() and (path.stat().st_size, path.stat().st_mtime) == (info.size, info.at)


def is_ahead(folder: Path, remote: Remote) -> bool:
    """Whether the local journal has entries that the remote one lacks.

    Raises ValueError if each has entries that the other lacks.
    """
    path = folder / JOURNAL
    local = path.read_bytes() if path.exists() else b""
    local = local[: local.rfind(b"\n") + 1]  # without half a line that a killed search has left
    copy = remote.read(JOURNAL) or b""
    if copy.startswith(local):
        return False
    if local.startswith(copy):
        return True
    raise ValueError(
        f"{path} and the journal of {remote.uri} have gone different ways: another machine has continued the "
        f"run without the last entries of this one; remove {folder} to go on with the remote run"
    )
