"""Opens runs for the commands: by name, whole, and with what the search can write again written again."""

from pathlib import Path

import pyarrow as pa

from results.damage import DamagedTable
from results.remote import Remote, is_uri
from results.store import Run, is_locked, open_run
from search.runs.fetch import NAME, fetch
from search.runs.folder import read_config
from spaces.messages import did_you_mean
from spaces.params import Param


def find(name: str, storage: str) -> Run:
    """The run of that name in `storage`, or at that path or URI. A remote run is fetched first.

    Raises ValueError if there is none, and as `fetch` and `open_whole` do.
    """
    if is_uri(name):
        remote = Remote(name)
        storage, name = remote.parent.uri, remote.name
    if is_uri(storage):
        folder = fetch(Remote(storage), name) if NAME.fullmatch(name) else None
        if folder:
            return open_whole(folder)
    else:
        for path in (Path(storage) / name, Path(name)):
            if (path / "config.yaml").exists():
                return open_whole(path)
    names = run_names(storage)
    hint = did_you_mean(name, names) if names else ""
    raise ValueError(f"there is no run {name!r} in {storage}{hint} (python -m search list)")


def run_names(storage: str) -> list[str]:
    """The names of the runs in a storage, sorted. Raises ValueError if a remote one can't be used."""
    if is_uri(storage):
        remote = Remote(storage)
        return [name for name in remote.folders() if remote.info(f"{name}/config.yaml")]
    return sorted(path.parent.name for path in Path(storage).glob("*/config.yaml"))


def open_whole(folder: Path) -> Run:
    """The run in the folder. Tables that can't be read are made again from its journal, unless it is running.

    Raises ValueError if a file that nothing can replace is damaged, or files do not fit each other.
    """
    try:
        run = open_run(folder)
    except DamagedTable:
        if is_locked(folder) or not (folder / "study.log").exists():
            raise
        from search.runs.tables import rebuild  # here, for it loads Optuna

        run = rebuild(folder)
    check(run)
    return run


def check(run: Run) -> None:
    """Raises ValueError if the configuration is not valid, or a table has values that it does not know."""
    space = read_config(run).space
    for name, table in (("trials", run.trials), ("confirm", run.confirmed)):
        for key, param in space.params.items() if table is not None and table.num_rows else ():
            if unknown := unknown_values(table, f"param/{key}", param):
                raise ValueError(
                    f"{run.path}: config.yaml and results/{name}.parquet do not fit each other: {key} is "
                    f"{unknown} there; one of them was changed, so restore it from a copy"
                )


def unknown_values(table: pa.Table, column: str, param: Param) -> str:
    """Values in a column of a table that are none of the parameter; empty if there are none."""
    if column not in table.column_names:
        return "missing"
    unknown = []
    for value in table[column].unique().to_pylist():
        try:
            if value is not None or not param.when:  # inactive
                param.from_column(value)
        except (LookupError, ValueError):
            unknown.append(value)
    return ", ".join(map(repr, unknown))[:100]
