"""The report of a run, with the parts that its tables do not hold: commands, pictures, importance."""

import logging
from dataclasses import replace
from pathlib import Path

from results.picture import Picture
from results.report import render
from results.store import Run
from search.after.importance import importance
from search.after.retrain import retrain_command
from search.config.run_config import RunConfig
from search.core.rungs import expected_epochs
from search.runs.folder import read_config
from search.runs.mirror import Mirror
from search.runs.tables import with_tables
from search.watch.capture import capture_output
from spaces.messages import describe
from trainables import import_path

logger = logging.getLogger(__name__)


def make(run: Run) -> Path:
    """Writes `report.html` into the folder of the run and returns its path.

    Raises ValueError if the configuration of the run is not valid.
    """
    run = with_tables(run)
    config = read_config(run)
    with capture_output() as output:  # a gallery's libraries may print
        output.keep(run.path / "run.log")
        images, missing = pictures(run, config)
    extras = replace(
        extras_of(run, config), pictures=images, missing=missing, importance=importance(run, config)
    )
    path = render.write(run, extras)
    Mirror(run.path).put("run.log", path.name)
    return path


def extras_of(run: Run, config: RunConfig) -> render.Extras:
    """The parts that need neither a model of the results nor a trained model."""
    params = {row["trial"]: config.space.params_in(row) for row in run.trials.to_pylist()}
    default = config.space.default()
    return render.Extras(
        commands={trial: retrain_command(config, trial, params[trial]) for trial in params},
        default=next((trial for trial in params if params[trial] == default), None),
        asha_epochs=expected_epochs(len(params), config.rungs, config.eta),
    )


def pictures(run: Run, config: RunConfig) -> tuple[list[Picture], str]:
    """The pictures of the best model by the gallery of the space, and the error if it failed."""
    if config.space.gallery is None or run.best() is None:
        return [], ""
    from search.after.models import best_model, load

    try:
        return list(import_path.load(config.space.gallery)(*load(best_model(run)))), ""
    except Exception as error:  # a user's gallery may raise anything; the report is made without it
        logger.exception("the gallery failed")
        return [], describe(error)
