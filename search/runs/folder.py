"""The folder of a run: its name, its configuration and its lock."""

import fcntl
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import yaml

from results.cached import remote_of, storage_folder
from results.files import sweep, sync, write_text
from results.remote import Remote, is_uri
from results.store import Run
from search.config.run_config import RunConfig, from_plain


def new_folder(config: RunConfig) -> Path:
    """Makes the folder of a new run, which is empty. Of two runs at once each gets its own.

    Raises ValueError if the storage cannot be written, or has a run of that name.
    """
    remote = Remote(config.storage) if is_uri(config.storage) else None
    storage = storage_folder(config.storage)
    existing = next(parent for parent in (storage, *storage.parents) if parent.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ValueError(
            f"storage is {storage}, but {existing} can't be written: {error.strerror} (storage=FOLDER)"
        ) from error
    if remote:
        remote.check_writable()
    taken = set(remote.folders()) if remote else set()
    names = [config.name] if config.name else (f"{config.space.name}-{number}" for number in count(1))
    storage.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            if name in taken:
                continue
            (storage / name).mkdir()
        except FileExistsError:
            continue
        sync(storage)
        return storage / name
    if remote and config.name not in taken:
        raise ValueError(
            f"{config.storage} has no run {config.name!r}, but {storage / str(config.name)} is left of one; "
            "remove that folder, or choose another name=..."
        )
    raise ValueError(
        f"there is a run {config.name!r} in {config.storage if remote else storage} already; go on with it: "
        f"python -m search resume {config.name}, or choose another name=..."
    )


def address(folder: Path) -> str:
    """The name of a run for the commands, as a person would type it: its path, or its quoted URI."""
    remote = remote_of(folder)
    return shlex.quote(remote.uri) if remote else short(folder)


def sweep_run(folder: Path) -> None:
    """Deletes temporary files of killed writers in the run's folder. Only for the holder of its lock."""
    for part in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sweep(part)
    for path in folder.glob("checkpoints/**/*.part*"):
        path.unlink()


def write_config(folder: Path, config: RunConfig) -> None:
    """Writes `config.yaml` into the folder."""
    write_text(folder / "config.yaml", yaml.safe_dump(config.plain(), sort_keys=False))


def read_config(run: Run) -> RunConfig:
    """The configuration in the run's folder. Raises ValueError if it is not valid."""
    return from_plain(run.config, str(run.path / "config.yaml"))


def short(folder: Path) -> str:
    """The path as a person would type it: relative to the current folder where it lies below that."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of the run, which ends with the process at the latest.

    Raises ValueError if another process holds it.
    """
    with open(folder / "run.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{folder} is being searched by another process") from error
        yield
