"""The folder of a run: how it is named, found, begun and locked."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from results.files import write_text
from results.store import Run, open_run
from search.config.run_config import RunConfig, from_plain
from spaces.params import nearest


def new_folder(config: RunConfig) -> Path:
    """The folder that the run will have; nothing is written yet. Raises ValueError."""
    storage = Path(config.storage).absolute()
    existing = next(parent for parent in (storage, *storage.parents) if parent.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise ValueError(
            f"storage is {storage}, but {existing} can't be written: {error.strerror} (storage=FOLDER)"
        ) from error
    if config.name is not None:
        folder = storage / config.name
        if folder.exists():
            raise ValueError(
                f"there is a run {config.name!r} in {storage} already; go on with it: "
                f"python -m search resume {config.name}, or choose another name=..."
            )
        return folder
    number = 1
    while (storage / f"{config.space.name}-{number}").exists():
        number += 1
    return storage / f"{config.space.name}-{number}"


def write_config(folder: Path, config: RunConfig) -> None:
    write_text(folder / "config.yaml", yaml.safe_dump(config.plain(), sort_keys=False))


def read_config(run: Run) -> RunConfig:
    """The configuration that a run has kept. Raises ValueError if it makes no sense."""
    return from_plain(run.config, str(run.path / "config.yaml"))


def find(name: str, storage: str) -> Run:
    """The run of that name in `storage`, or in the folder of that path. Raises ValueError."""
    for folder in (Path(storage) / name, Path(name)):
        if (folder / "config.yaml").exists():
            return open_run(folder)
    known = [path.parent.name for path in Path(storage).glob("*/config.yaml")]
    hint = nearest(name, known) if known else ""
    raise ValueError(f"there is no run {name!r} in {storage}{hint} (python -m search list)")


def short(folder: Path) -> str:
    """The path as a person would type it from here."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the run's lock. It ends with the process, however that ends. Raises ValueError if taken."""
    with open(folder / "run.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{folder} is being searched by another process") from error
        yield
