"""Makes the module and the data of a trial, from import paths or from the configuration of a project."""

from collections.abc import Hashable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch

from spaces.lane import Lane, SpaceError
from trainables import import_path
from trainables.learner import Learner
from trainables.projects.by_value import by_value
from trainables.projects.parts import Parts, Seeds
from trainables.pytorch_lightning import came_first
from trainables.seeding import seed_all, seed_configure_model
from trainables.training.kept_data import kept_data
from trainables.training.own_loaders import OwnLoaders
from trainables.training.setup import Setup
from trainables.training.trainer_options import trainer_options

BASELINES = ("baseline", "simple", "nearest")  # facts with objectives to beat


def build(setup: Setup, lane: Lane) -> tuple[L.LightningModule, L.LightningDataModule]:
    """The module and the data of a lane, both new; see `make_parts`."""
    parts = make_parts(setup, lane, keep=False)
    assert parts.data is not None
    return parts.module, parts.data


def make_parts(setup: Setup, lane: Lane, files: Path = Path(), *, keep: bool = True) -> Parts:
    """The module and the data of a lane, and the arguments of the Trainer that the run sets.

    From import paths: each `__init__` gets its arguments by name from the trial's parameters, the run and the
    data's `facts()`. From a project: its configuration with the trial's parameters, whose callbacks may write
    to `files`. With `keep` lanes of the same configuration of data get the same object (kept_data.py); who
    draws batches from it gives it a trainer, by which `release` knows that it was used. Raises ValueError for
    a parameter that is no argument of either, for what the configuration refuses, and any exception of the
    objects.
    """
    parts = of_project(setup, lane, files, keep) if setup.project else of_classes(setup, lane, keep)
    module, data = parts.module, parts.data
    if not isinstance(module, Learner):
        seed_configure_model(module, lane.seed)
    elif module.channels_last:
        module.to(memory_format=torch.channels_last)
    data = OwnLoaders(module) if data is None else data
    return replace(parts, data=data, trainer=trainer_options(parts.trainer, setup.trainer))


def of_project(setup: Setup, lane: Lane, files: Path, keep: bool) -> Parts:
    """The parts of a project's configuration."""
    assert setup.project
    seeds = Seeds(lane.seed, setup.seed)
    if setup.project.kind == "lightning":
        from trainables.projects import lightning_cli

        parts = lightning_cli.parts(setup.project, parameters(setup, lane), seeds)
    else:
        from trainables.projects import hydra_config

        parts = hydra_config.parts(setup.project, parameters(setup, lane), seeds, files)
    check_kind(parts.module, L.LightningModule, setup.trainable)
    if parts.data is None:
        return parts
    made, key = parts.data, parts.data_key
    check_kind(made, L.LightningDataModule, str(setup.data))
    key = (key, setup.seed) if keep and key is not None else None
    data, key = kept_data(key, setup.seed, lambda: made)
    return replace(parts, data=data, data_key=key)


def of_classes(setup: Setup, lane: Lane, keep: bool) -> Parts:
    """The parts of import paths."""
    check_parameters(setup, lane)
    data, key = (None, None) if setup.data is None else make_data(setup, lane, keep)
    arguments = module_arguments(setup, lane, data)
    seed_all(lane.seed)
    module = import_path.load(setup.trainable)(**arguments)
    check_kind(module, L.LightningModule, setup.trainable)
    return Parts(module, data, data_key=key)


def check_kind(made: object, kind: type, path: str) -> None:
    """Raises SpaceError if the object that `path` has made is of another kind."""
    if not isinstance(made, kind):
        wrong = f"{path} makes a {type(made).__name__}, but must make a {kind.__name__}"
        raise SpaceError(came_first(made) or wrong)


def make_data(setup: Setup, lane: Lane, keep: bool) -> tuple[L.LightningDataModule, Hashable | None]:
    """The data of a lane, its splits seeded by the run, and its key; see `kept_data`."""
    assert setup.data is not None
    path, source, arguments = setup.data, import_path.load(setup.data), data_arguments(setup, lane)

    def make() -> L.LightningDataModule:
        seed_all(setup.seed)
        data = source(**arguments)
        check_kind(data, L.LightningDataModule, path)
        return data

    try:
        key = (by_value(source), by_value(arguments), setup.seed) if keep else None
    except TypeError:
        key = None
    return kept_data(key, setup.seed, make)


def check_parameters(setup: Setup, lane: Lane) -> None:
    """Raises ValueError for a parameter that is an argument of neither the module nor its data."""
    sources = [source for source in (setup.trainable, setup.data) if source is not None]
    known = {name for path in sources for name in import_path.argument_names(import_path.load(path))}
    for name in lane.params:
        if name not in known:
            takers = " or ".join(sources)
            raise ValueError(
                f"the parameter {name!r} is no argument of {takers}; there are: {', '.join(sorted(known))} "
                "(params in the space file)"
            )


def data_arguments(setup: Setup, lane: Lane) -> dict[str, Any]:
    """Arguments of the data's `__init__`."""
    assert setup.data is not None
    seeds = {"seed": setup.seed, "batch_seed": setup.batch_seed}
    return import_path.accepted_arguments(import_path.load(setup.data), values(setup, lane) | seeds)


def module_arguments(setup: Setup, lane: Lane, data: L.LightningDataModule | None) -> dict[str, Any]:
    """Arguments of the module's `__init__`."""
    return import_path.accepted_arguments(
        import_path.load(setup.trainable), {**values(setup, lane), **facts(data), "seed": lane.seed}
    )


def values(setup: Setup, lane: Lane) -> dict[str, Any]:
    """Options of the run and parameters of the trial, by name; a parameter overrides an option."""
    return {**setup.options, **parameters(setup, lane), "epochs": setup.epochs}


def parameters(setup: Setup, lane: Lane) -> dict[str, Any]:
    """Parameters of the trial; a label stands for a copy of the value of its option, which may be changed."""
    params = dict(lane.params)
    for name, of_label in setup.option_values.items():
        if name in params:
            params[name] = deepcopy(of_label.get(params[name], params[name]))
    return params


def facts(data: L.LightningDataModule | None) -> dict[str, Any]:
    """The data's `facts()`, by name; none if it has no such method."""
    return data.facts() if data is not None and hasattr(data, "facts") else {}


def baselines(setup: Setup, lane: Lane) -> dict[str, float]:
    """Objectives that a model has to beat, where the data's `facts()` has them.

    `baseline`: of the best constant prediction. `nearest`: of predicting the target of the most similar
    training sample. `simple`: of a simple model of the training split. For the objective `val/<metric>` the
    fact `baseline_<metric>` precedes `baseline`, and so for the others.
    """
    if setup.project or setup.data is None or not hasattr(import_path.load(setup.data), "facts"):
        return {}  # without building the data, which may take long
    known, metric = facts(make_data(setup, lane, keep=True)[0]), setup.objective.rpartition("/")[2]
    scores = {name: known.get(f"{name}_{metric}", known.get(name)) for name in BASELINES}
    return {name: float(score) for name, score in scores.items() if isinstance(score, int | float)}
