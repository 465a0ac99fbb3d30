"""Where the runs of a remote storage lie on this machine: in a folder below the user's cache folder.

Its file `storage.uri` names the storage, so a run's folder says whether there is a remote copy of it. A
folder that was copied to another place is a local run. The file `elsewhere` of a run says until when a search
on another machine holds it.
"""

import hashlib
import os
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from results.files import write_text
from results.remote import Remote, is_uri

FILE = "storage.uri"
ELSEWHERE = "elsewhere"


def cache_folder(storage: Remote) -> Path:
    """The folder of this machine for the runs of a storage. It is made if needed."""
    parts = urlsplit(storage.uri)
    endpoint = parse_qs(parts.query).get("endpoint_override", [""])[0]
    place = f"{parts.scheme}://{endpoint}/{parts.netloc}{parts.path.rstrip('/')}"
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.scheme}-{parts.netloc}{parts.path}").strip("-")[:60]
    unique = hashlib.sha256(place.encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache.absolute() / "ladder-search" / f"{readable}-{unique}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    if not file.exists() or file.read_text(encoding="utf-8") != storage.uri:
        write_text(file, storage.uri)
    return folder


def storage_folder(storage: str) -> Path:
    """The folder of this machine for the runs of a storage, which is a folder or a URI."""
    return cache_folder(Remote(storage)) if is_uri(storage) else Path(storage).absolute()


def remote_of(folder: Path) -> Remote | None:
    """The remote copy of the run in `folder`; None for a local run."""
    file = folder.parent / FILE
    return Remote(file.read_text(encoding="utf-8")).child(folder.name) if file.exists() else None


def note_elsewhere(folder: Path, seconds: float) -> None:
    """A search on another machine holds the run for so many seconds more; 0: none does."""
    if seconds > 0:
        write_text(folder / ELSEWHERE, str(time.time() + seconds))
    else:
        (folder / ELSEWHERE).unlink(missing_ok=True)


def is_elsewhere(folder: Path) -> bool:
    """Whether a search on another machine held the run when its remote copy was last looked at."""
    file = folder / ELSEWHERE
    return file.exists() and float(file.read_text()) > time.time()
