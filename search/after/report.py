"""A run's report, with what only the engine room knows: commands, the default configuration, pictures."""

import logging
import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from results.picture import Picture
from results.report import render
from results.store import Run
from search.config.run_config import RunConfig
from search.core.job import initial_seed
from search.runs.folder import read_config
from search.watch.capture import capture_output
from spaces import read
from trainables import import_path

logger = logging.getLogger(__name__)


def make(run: Run) -> Path:
    """Writes the run's report and returns its path. Raises ValueError if the run's folder makes no sense."""
    config = read_config(run)
    params = {row["trial"]: config.space.params_in(row) for row in run.trials.to_pylist()}
    default = config.space.default()
    same = [trial for trial in params if params[trial] == default]
    with capture_output() as noise:  # what a gallery's libraries print is none of the user's business
        noise.keep(run.path / "run.log")
        shown, missing = pictures(run, config)
    commands = {trial: again(config, trial, params[trial]) for trial in params}
    return render.write(run, render.Extras(commands, same[0] if same else None, shown, missing))


def pictures(run: Run, config: RunConfig) -> tuple[list[Picture], str]:
    """What the space's gallery shows of the best model; and why nothing, where it can't."""
    if config.space.gallery is None or run.best() is None:
        return [], ""
    from search.after.models import best, loaded

    try:
        return list(import_path.load(config.space.gallery)(*loaded(best(run)))), ""
    except Exception as error:  # a gallery is anyone's code, and no reason to go without a report
        logger.exception("the gallery failed")
        return [], f"{type(error).__name__}: {' '.join(str(error).split())}"


def again(config: RunConfig, number: int, params: Mapping[str, Any]) -> str:
    """The command that trains a trial of this run again, alone and to the end: the same curve.

    To the digit where it was trained alone; lanes of a pack agree within the tolerance of packs. A space
    file goes by the path that it had when the run was begun.
    """
    space = config.space
    before = as_written(space.name) if space.file is None else None
    given: dict[str, Any] = {"space": space.file or space.name}
    for prefix, values, known in (
        ("data.", space.options, before.options if before else None),
        ("", space.settings, before.settings if before else None),
    ):
        for key, value in values.items():
            # What is neither in the space file nor differs from it (a content hash) goes without saying.
            named = key in known and value != known[key] if known is not None else key != "content"
            if named and value is not None:
                given["data" if f"{prefix}{key}" == "data.source" else f"{prefix}{key}"] = value
    given |= {"engine": config.engine} if config.engine != "ray" else {}
    seed = trial_seed(config.seed, number, config.init_seed)
    given |= {"seed": config.seed, "init_seed": seed, "trials": 1, "lanes": 1}
    given |= {"epochs": config.epochs, "grace": config.epochs}
    given |= {f"param.{name}": value for name, value in params.items()}
    words = [shlex.quote(f"{key}={hydra(value)}") for key, value in given.items()]
    return " ".join(["python -m search run", *words])


as_written = cache(read.read)  # once for all trials


def hydra(value: Any) -> str:
    """A plain value in Hydra's grammar; text that could be taken for something else is quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if re.fullmatch(r"[A-Za-z_/][\w./-]*", value) and value.lower() not in (
        "true",
        "false",
        "null",
        "nan",
        "inf",
    ):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
