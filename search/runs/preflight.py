"""Checks before a run begins or continues, so that a mistake is reported before anything is written."""

import importlib.util
import warnings
from dataclasses import replace

from results.store import Run
from search.config.run_config import ENGINES, FORMAT, LOGGERS, RunConfig, one_of
from search.core.job import DEFAULT
from search.core.policies.base import Problem
from search.core.policies.registry import POLICIES
from search.engines.train_job import training_setup
from search.runs.folder import read_config
from spaces.lane import Lane
from spaces.space import Space
from trainables import import_path
from trainables.projects import argument_paths


def prepare(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """The configuration with its data checked and identified by content, and notes for the screen.

    Raises ValueError if the engine, sampler or logger is unknown, a package, module or class is missing, a
    dotted path of the space names no argument, the sampler cannot search the space, the space sets an
    argument of the Trainer that it may not set, trials can't train on several devices as they shall, or the
    data cannot be used.
    """
    for key, known in (("engine", ENGINES), ("sampler", POLICIES), ("logger", LOGGERS)):
        one_of(key, getattr(config, key), known)
    check_logger(config.logger)
    check_sampler(config)
    space = config.space
    for path in (space.trainable, space.data):
        if path is not None:
            import_path.find(path)
    if space.trainer:
        from trainables.training.trainer_options import check  # here, for it loads PyTorch

        check(space.trainable, space.trainer)
    if config.devices_per_trial > 1:
        from trainables.training import devices  # here, for it loads PyTorch

        devices.check(import_path.load(space.trainable), space.trainable, space.trainer.get("strategy"))
    if space.project:
        argument_paths.check(space.project, space.params)
    else:
        check_arguments(space)
    notes = list(config.notes)
    if space.prepare is None:
        return config, notes
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        options = import_path.load(space.prepare)({**space.settings, **space.options, "seed": config.seed})
    notes += [str(warning.message) for warning in caught if warning.category is UserWarning]
    return replace(config, space=replace(space, options={**space.options, **options})), notes


def check_arguments(space: Space) -> None:
    """Raises ValueError if module or data have an argument without a default that nothing gives."""
    given = {*space.params, *space.settings, *space.options, "epochs", "seed", "batch_seed"}
    always = {name for name, param in space.params.items() if not param.when} | (given - {*space.params})
    sources = [path for path in (space.data, space.trainable) if path is not None]
    for path in sources:
        for name in import_path.required_arguments(path):
            if name not in given and not (path == space.trainable and may_have_facts(space.data)):
                raise ValueError(
                    f"{path} needs an argument {name!r}, which neither params nor settings nor options give "
                    "(in the space file)"
                )
            if name in given and name not in always:
                raise ValueError(
                    f"{path} needs an argument {name!r} always, but params.{name}.when leaves it out at times"
                )


def may_have_facts(data: str | None) -> bool:
    """Whether the data may have `facts()`, whose values go to the module."""
    return data is not None and import_path.defines(data, "facts", "LightningDataModule")


def prepare_again(run: Run) -> tuple[RunConfig, list[str]]:
    """The configuration of a run that continues, and notes for the screen.

    Raises ValueError if its data has changed, if an earlier version of Ladder made it, and as `prepare`.
    """
    old = read_config(run)
    if old.format != FORMAT:
        raise ValueError(
            f"{run.path} was made by an earlier version, whose seeds and splits were others, so it can't be "
            f"continued; begin a new run with its best trials: python -m search run warm_start={run.name}"
        )
    config, notes = prepare(old)
    before, now = (c.space.options.get("content") for c in (old, config))
    if before != now:
        raise ValueError(f"the data of {run.path} has changed since the run began; begin a new run with it")
    return config, notes


def check_test_split(config: RunConfig) -> None:
    """Raises ValueError if the data has no test split, or scoring one batch of it fails.

    The batch is scored with new weights of the default configuration, and its score is not looked at.
    """
    from trainables.training.evaluate import check_score, has_test  # here, for they load PyTorch
    from trainables.training.setup import Setup

    source = config.space.data or config.space.trainable
    if not has_test(import_path.load(source)):
        raise ValueError(f"{source} has no test_dataloader, so winners can't be confirmed with it")
    lane = Lane(DEFAULT, config.space.default(), config.seed)
    check_score(Setup(**training_setup(config)), lane)


def check_sampler(config: RunConfig) -> None:
    """Raises ValueError if the sampler cannot search the space."""
    POLICIES[config.sampler](Problem(config.space, config.rungs, config.eta, config.seed))


def check_logger(name: str) -> None:
    """Raises ValueError if the package that the logger needs is not installed."""
    package = LOGGERS[name]
    if package and importlib.util.find_spec(name) is None:
        raise ValueError(f"logger is {name!r}, but {package} is not installed: pip install {package}")
