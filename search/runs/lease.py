"""The lock of a run with a remote copy: one object there, which the searching machine keeps renewing.

It is fresh for SECONDS after it was written. A search on another machine is refused while it is fresh; one in
the folder that holds its token is not, for the file lock of that folder excludes other processes already. A
search that finds the token of another ends. PyArrow has no conditional writes, so of two machines that begin
in the same moment both may go on until the first renewal.
"""

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from results.cached import note_elsewhere, remote_of
from results.files import write_text
from results.remote import Remote, RemoteError

FILE = "lease.json"  # there, and in the local folder, which has the token of its own searches
SECONDS = 60.0
RENEWAL = SECONDS / 4


@contextmanager
def leased(folder: Path) -> Iterator[None]:
    """Holds the remote lock of the run in `folder`, whose local lock the caller has. A local run has none.

    Raises ValueError if another machine holds it, or the storage can't be written.
    """
    remote = remote_of(folder)
    if remote is None:
        yield
        return
    check_free(folder)
    lease = json.dumps({"token": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()})
    write_text(folder / FILE, lease)
    remote.write(FILE, lease.encode())
    check_own(folder, remote)
    ended = Event()
    thread = Thread(target=renew, args=(folder, remote, lease, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(RemoteError):  # then it runs out
            check_own(folder, remote)
            remote.delete(FILE)


def renew(folder: Path, remote: Remote, lease: str, ended: Event) -> None:
    """Writes the lease again and again, until the search has ended or another machine has taken it."""
    while not ended.wait(RENEWAL):
        with suppress(RemoteError):  # the next copy of the journal reports it
            check_own(folder, remote)
            remote.write(FILE, lease.encode())


def check_free(folder: Path) -> None:
    """Raises ValueError if a search on another machine holds the run, or its storage can't be written."""
    remote = remote_of(folder)
    if remote is None:
        return
    if (seconds := seconds_left(folder, remote, remote.check_writable())) > 0:
        holder = read(remote)
        raise ValueError(
            f"{remote.uri} is being searched by process {holder.get('pid')} on {holder.get('host')}; "
            f"wait for it or stop it. If that machine is gone, its lock runs out in {seconds:.0f} s"
        )
    note_elsewhere(folder, 0)  # the clock of this machine may have said otherwise


def check_own(folder: Path, remote: Remote) -> None:
    """Raises RemoteError if another machine has taken the run."""
    holder = read(remote)
    if holder and holder.get("token") != own_token(folder):
        raise RemoteError(f"{remote.uri} is now searched by another machine, {holder.get('host')}")


def seconds_left(folder: Path, remote: Remote, now: float) -> float:
    """Seconds for which a search on another machine still holds the run; 0 if none does.

    `now` is the time by the clock of the storage.
    """
    info = remote.info(FILE)
    if info is None or read(remote).get("token") == own_token(folder):
        return 0.0
    return max(0.0, info.at + SECONDS - now)


def read(remote: Remote) -> dict[str, Any]:
    """The lease at the remote; empty if there is none."""
    return parsed(remote.read(FILE) or b"")


def own_token(folder: Path) -> str | None:
    """The token of the last search in this folder."""
    file = folder / FILE
    return parsed(file.read_bytes()).get("token") if file.exists() else None


def parsed(content: bytes) -> dict[str, Any]:
    """A lease; empty if it is damaged."""
    with suppress(ValueError):
        lease = json.loads(content)
        return lease if isinstance(lease, dict) else {}
    return {}
