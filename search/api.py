"""The Python interface, for scripts and notebooks: `search.run(...)` and what becomes of it.

    import search

    run = search.run(Net, Digits, params={"lr": search.Range(1e-4, 1e-1, log=True), "width": [32, 64]},
                     objective="val_acc", mode="max", trials=30, epochs=27)
    run.best.params
    model = run.load()

Everything that it needs is imported when it is called, so that the command line starts fast.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.opened import SearchRun
from spaces.params import Param

if TYPE_CHECKING:
    from search.runs.run import Outcome


def run(
    space: Any,
    data: Any = None,
    *,
    params: Mapping[str, Param | Any] | None = None,
    objective: str | None = None,
    mode: str = "min",
    settings: Mapping[str, Any] | None = None,
    trainer: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    **keys: Any,
) -> SearchRun:
    """Searches, and returns the run when it has ended.

    `space` is the name of a space or the path of a space file; `data`, `params` and `objective` are then
    those of the space. Or it is a LightningModule class, or a function that returns a module; `data` is then
    a LightningDataModule class, a function that returns one, or None where the module has its own loaders.
    Each parameter in `params` is a `search.Range`, a list of choices, a value, or a mapping as in a space
    file; it goes to the argument of its name of `space` or `data`. `objective` is a metric that the module
    logs, and `mode` says whether it is minimized (`min`) or maximized (`max`). `settings` are arguments that
    are not searched, `trainer` arguments of Lightning's Trainer, `constraints` rules on parameters such as
    `"width * depth <= 4096"`.

    `keys` are those of a run: trials=30, epochs=27, name="first", storage="runs", engine="local",
    confirm_top=3 and so on; `search.api.keys()` lists all with their meaning. Dotted ones, such as
    `data.root` of a space, are passed as `**{"data.root": "..."}`.

    Progress is drawn where the program writes. Ctrl-C, or interrupting the notebook cell, raises
    KeyboardInterrupt; what was finished is kept, and `search.resume` goes on. Raises ValueError for a mistake
    in the arguments, with nothing written if it is seen before the first trial, and RuntimeError if the
    search ended early though no trial is at fault: a full disk, or workers that are gone.
    """
    from search.config.run_config import configure
    from search.runs.run import start
    from search.watch.output import shared_output
    from spaces.read import read

    if isinstance(space, str | Path):
        given = {"data": data, "params": params, "objective": objective}
        for key, value in given.items():
            if value is not None:
                raise ValueError(f"{key} is {value!r}, but the space {space} says it; change it there")
        chosen = read(str(space))
    else:
        chosen = space_of(space, data, params, objective, mode, settings or {}, trainer or {}, constraints)
    config = configure(chosen, {own_name(key): value for key, value in keys.items()})
    return ended(start(config, screen=shared_output))


def resume(
    name: str | Path,
    trainable: Any = None,
    data: Any = None,
    *,
    storage: str = "runs",
    trials: int | None = None,
    epochs: int | None = None,
    time: float | None = None,
) -> SearchRun:
    """Continues a run that was interrupted, in its search or in the confirmation after it.

    With more `trials`, more `epochs`, or more seconds of `time`, a finished run goes on as well; the numbers
    are those of the whole run. More epochs add rungs above the last one. `trainable` and `data` are
    the objects that the run began with, where they can't be imported: they were defined in a notebook or a
    script. Raises ValueError if the run is finished, is running, or can't continue, and RuntimeError and
    KeyboardInterrupt as `run` does.
    """
    from search.runs.run import resume as resume_run
    from search.watch.output import shared_output

    opened = open_run(name, trainable, data, storage=storage)
    return ended(resume_run(opened.folder, screen=shared_output, trials=trials, epochs=epochs, time=time))


def confirm(run: SearchRun | str | Path, *, top: int = 3, seeds: int = 5) -> SearchRun:
    """Retrains the `top` trials of a run and its default on `seeds` new seeds; scores them on the test split.

    Trainings that are confirmed already are not repeated. Raises ValueError if no trial has a value, the data
    has no test split, or the run is running, and RuntimeError and KeyboardInterrupt as `search.run` does.
    """
    from search.runs.run import confirm as confirm_run
    from search.watch.output import shared_output

    opened = run if isinstance(run, SearchRun) else open_run(run)
    return ended(confirm_run(opened.folder, screen=shared_output, top=top, seeds=seeds))


def try_(run: SearchRun | str | Path, /, **values: Any) -> SearchRun:
    """Adds a trial with these values of parameters to a run, and trains it to the last rung.

    It is the command `try`. Parameters that are not given have the values of the best trial, or of the
    default configuration before there is one. Dotted names are passed as `**{"model.lr": 0.01}`. Raises
    ValueError if the run is running or can't continue, a value is not allowed, or a trial has the
    configuration already, and RuntimeError and KeyboardInterrupt as `search.run` does.
    """
    from search.runs.by_hand import try_configuration
    from search.watch.output import shared_output

    opened = run if isinstance(run, SearchRun) else open_run(run)
    return ended(try_configuration(opened.folder, values, screen=shared_output))


def open_run(
    name: str | Path, trainable: Any = None, data: Any = None, *, storage: str = "runs"
) -> SearchRun:
    """The run of that name in `storage`, or in that folder.

    `trainable` and `data` are its objects, where they can't be imported. Raises ValueError if there is no
    such run, or a file of it is damaged.
    """
    from search.runs.find import find
    from search.runs.folder import read_config
    from trainables import given

    found = find(str(name), storage)
    space = read_config(found).space
    for path, value in ((space.trainable, trainable), (space.data, data)):
        if value is not None and path is not None and given.is_given(path):
            given.give({path: value})
    return SearchRun(found.path)


def keys() -> dict[str, str]:
    """The keys of a run, each with its default and meaning, as `run` takes them."""
    from search.config.run_config import CONFIG_FILE

    lines = [line for line in CONFIG_FILE.read_text().splitlines() if line and line[0].isalpha()]
    entries = [line.partition(":") for line in lines if not line.startswith("budgets")]
    return {key.replace(".", "_"): " ".join(text.split()) for key, _, text in entries}


def space_of(
    trainable: Any,
    data: Any,
    params: Mapping[str, Any] | None,
    objective: str | None,
    mode: str,
    settings: Mapping[str, Any],
    trainer: Mapping[str, Any],
    constraints: Sequence[str],
) -> Any:
    """The space of Python objects. Raises ValueError for a mistake in it."""
    from spaces.parse_space import parse_space
    from trainables.given import path_of
    from trainables.pytorch_lightning import came_first

    for key, value in (("trainable", trainable), ("data", data)):
        if value is not None and not callable(value):
            raise ValueError(f"{key} is {value!r:.80}, but must be a class, or a function that makes one")
        if text := came_first(value):
            raise ValueError(text)
    if objective is None or params is None:
        missing = "params" if params is None else "objective"
        raise ValueError(f"{missing} is missing; search.run(Net, Digits, params=..., objective=...)")
    plain = {
        "trainable": path_of(trainable),
        "data": None if data is None else path_of(data),
        "objective": {"metric": objective, "mode": mode},
        "params": {
            name: value.plain() if isinstance(value, Param) else value for name, value in params.items()
        },
        "settings": dict(settings),
        "trainer": dict(trainer),
        "constraints": list(constraints),
    }
    name = path_of(trainable).rpartition(":")[2].lower()
    return parse_space(
        {key: value for key, value in plain.items() if value is not None}, name, "search.run", {}
    )


def own_name(key: str) -> str:
    """A key of a run as config.yaml writes it: confirm.top for confirm_top."""
    return key.replace("confirm_", "confirm.")


def ended(outcome: "Outcome") -> SearchRun:
    """The run of an outcome.

    Raises KeyboardInterrupt or RuntimeError if it ended early, and ValueError if no trial could have a value
    because of a mistake in the space.
    """
    from search.runs.folder import address

    how = f"what was finished is kept; go on with search.resume({address(outcome.folder)!r})"
    if outcome.interrupted:
        raise KeyboardInterrupt(how)
    if outcome.error:
        raise RuntimeError(f"{outcome.error}; {how}")
    run = SearchRun(outcome.folder)
    if mistake := run.mistake:
        raise ValueError(mistake)
    return run
