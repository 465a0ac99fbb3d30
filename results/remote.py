"""A folder at a remote file system, named by a URI: `s3://`, `gs://`, `hdfs://` or `file://`.

PyArrow's file systems do the work, try again a few times within seconds, and find the credentials as each
cloud's own tools do. Of an object store a reader sees a whole object or none; elsewhere a file is written
under a temporary name and renamed.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from results.files import replacing

SCHEMES = ("s3", "gs", "hdfs", "file")
BUCKETS = ("s3", "gs")  # schemes whose first name is a bucket
SECRETS = ("key", "secret", "token", "password")  # in the name of a query parameter
CREDENTIALS = "environment variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile (AWS_PROFILE)"
WHERE = "storage=URI, docs/cluster.md"
TEMPORARY = ".part"  # ends the name of a file that is being written
CHUNK = 2**23  # bytes
RETRY_SECONDS = 20  # of Google's client, which by itself tries for 15 minutes


class RemoteError(OSError, ValueError):
    """A remote storage can't be used. Before a search it is the user's mistake, in a search a lost disk."""


@final
@dataclass(frozen=True)
class Info:
    """A file at a remote storage."""

    size: int  # in bytes
    at: float  # when it was written, by the clock of the storage


@final
@dataclass(frozen=True)
class Remote:
    """The folder at `uri`, whose query holds PyArrow's parameters. Plain data: goes to any process.

    Raises ValueError as `check_uri` does. All methods raise RemoteError if the storage can't be used. Names
    are relative to the folder.
    """

    uri: str

    def __post_init__(self) -> None:
        check_uri(self.uri)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return urlsplit(self.uri).path.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> "Remote":
        """The folder around this one."""
        parts = urlsplit(self.uri)
        return Remote(urlunsplit(parts._replace(path=parts.path.rstrip("/").rpartition("/")[0])))

    def child(self, name: str) -> "Remote":
        """The folder `name` in this one."""
        parts = urlsplit(self.uri)
        return Remote(urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}")))

    def put(self, source: Path, name: str) -> None:
        """Copies a local file there."""
        with open(source, "rb") as file, self._used() as (filesystem, path):
            self._write(filesystem, f"{path}/{name}", lambda out: shutil.copyfileobj(file, out, CHUNK))

    def write(self, name: str, content: bytes) -> None:
        """Writes a file there."""
        with self._used() as (filesystem, path):
            self._write(filesystem, f"{path}/{name}", lambda out: out.write(content))

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""
        with self._used() as (filesystem, path):
            try:
                with filesystem.open_input_stream(f"{path}/{name}") as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def fetch(self, name: str, target: Path) -> None:
        """Copies a file from there, under a temporary name at first. Raises FileNotFoundError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._used() as (filesystem, path),
            filesystem.open_input_stream(f"{path}/{name}") as file,
            replacing(target) as temporary,
            open(temporary, "wb") as out,
        ):
            shutil.copyfileobj(file, out, CHUNK)

    def files(self) -> dict[str, Info]:
        """All files in the folder, at any depth. Empty if there is no folder."""
        from pyarrow.fs import FileType

        found = self._listed(recursive=True)
        return {
            name: Info(info.size, info.mtime.timestamp())
            for name, info in found
            if info.type is FileType.File and not name.endswith(TEMPORARY) and ".." not in Path(name).parts
        }

    def folders(self) -> list[str]:
        """The names of the folders in the folder, sorted."""
        from pyarrow.fs import FileType

        return sorted(name for name, info in self._listed(recursive=False) if info.type is FileType.Directory)

    def info(self, name: str) -> Info | None:
        """A file; None if there is none."""
        from pyarrow.fs import FileType

        with self._used() as (filesystem, path):
            info = filesystem.get_file_info(f"{path}/{name}")
        return Info(info.size, info.mtime.timestamp()) if info.type is FileType.File else None

    def delete(self, name: str) -> None:
        """Deletes a file, if it is there."""
        with self._used() as (filesystem, path):
            try:
                filesystem.delete_file(f"{path}/{name}")
            except FileNotFoundError:
                return

    def check_writable(self) -> float:
        """Writes a file, deletes it, and returns the time by the clock of the storage.

        Makes the bucket first if the URI says allow_bucket_creation=true.
        """
        with self._used() as (filesystem, path):
            if urlsplit(self.uri).scheme in BUCKETS and "allow_bucket_creation=true" in self.uri:
                filesystem.create_dir(path.partition("/")[0])
        self.write(name := f".write-test-{uuid.uuid4().hex[:8]}", b"1")
        info = self.info(name)
        self.delete(name)
        if info is None:
            raise RemoteError(f"{self.uri} does not keep what is written to it ({WHERE})")
        return info.at

    def _write(self, filesystem: Any, path: str, write: Callable[[Any], object]) -> None:
        if urlsplit(self.uri).scheme in BUCKETS:
            with filesystem.open_output_stream(path) as out:
                write(out)
            return
        filesystem.create_dir(path.rpartition("/")[0])
        with filesystem.open_output_stream(path + TEMPORARY) as out:
            write(out)
        filesystem.move(path + TEMPORARY, path)

    def _listed(self, recursive: bool) -> list[tuple[str, Any]]:
        from pyarrow.fs import FileSelector

        with self._used() as (filesystem, path):
            found = filesystem.get_file_info(FileSelector(path, recursive=recursive, allow_not_found=True))
        return [(info.path.removeprefix(path).strip("/"), info) for info in found]

    @contextmanager
    def _used(self) -> Iterator[tuple[Any, str]]:
        """The file system, and the path of the folder there. Errors of PyArrow become a RemoteError."""
        import pyarrow as pa

        try:
            yield opened(self.uri)
        except (FileNotFoundError, RemoteError):
            raise
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:300]
            raise RemoteError(f"{self.uri} can't be used: {reason} ({WHERE})") from error


@lru_cache(maxsize=64)
def opened(uri: str) -> tuple[Any, str]:
    """PyArrow's file system and path for a URI."""
    from pyarrow.fs import FileSystem

    parts = urlsplit(uri)
    if parts.scheme == "gs" and "retry_limit_seconds" not in parts.query:
        limit = f"retry_limit_seconds={RETRY_SECONDS}"
        uri = urlunsplit(parts._replace(query=f"{parts.query}&{limit}".lstrip("&")))
    filesystem, path = FileSystem.from_uri(uri)
    # A copy has the limit of PyArrow's constructors, three attempts; made from a URI, S3 has ten.
    return copy(filesystem), path.rstrip("/")


def is_uri(text: str) -> bool:
    """Whether a storage is named by a URI, in place of a local folder."""
    return "://" in text


def check_uri(uri: str) -> str:
    """`uri`, if it can name a storage. Raises ValueError, without its secrets, if not."""
    parts = urlsplit(uri)
    user, _, host = parts.netloc.rpartition("@")
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    secret = next((name for name in names if any(word in name.lower() for word in SECRETS)), None)
    # No bucket has a colon, but a secret with a slash ends the host there.
    if ":" in user or (user and parts.scheme == "s3") or (":" in host and parts.scheme in BUCKETS) or secret:
        place = f"the query parameter {secret}" if secret else "the part before the bucket or host"
        raise ValueError(
            f"the URI with {parts.scheme}:// holds a secret in {place}, which would be written into files of "
            f"the run; put it into {CREDENTIALS} ({WHERE})"
        )
    if uri.partition("://")[0] not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"storage is {uri!r}, but must be a folder or begin with one of {known} ({WHERE})")
    if parts.scheme in BUCKETS and not host:
        raise ValueError(f"{uri} names no bucket: write {parts.scheme}://BUCKET/FOLDER ({WHERE})")
    if parts.scheme == "file" and (host or not parts.path.startswith("/")):
        raise ValueError(f"{uri} is no absolute path: write file:///FOLDER ({WHERE})")
    return uri
