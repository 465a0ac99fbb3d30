"""More trials, or more time, for a run that is not running: what `resume` does before it goes on.

The journal comes first, so that a kill in between leaves a run that is interrupted, with its size of before.
"""

from dataclasses import replace
from pathlib import Path

from search.config.run_config import RunConfig
from search.core.job import State
from search.core.rungs import UNLIMITED
from search.runs.folder import locked, write_config
from search.runs.journal import open_study
from search.runs.tables import write_tables
from spaces.size import configurations


def enlarge(
    folder: Path, config: RunConfig, trials: int | None, time: float | None
) -> tuple[RunConfig, list[str]]:
    """The configuration of the run in `folder` with this many `trials` and seconds of `time`, which its
    config.yaml has then too, and notes for the screen. None leaves a number as it is.

    Raises ValueError if a number is smaller than before, or no further trial could begin.
    """
    size = int(min(trials or config.trials, configurations(config.space)))
    limit = config.time if time is None else time
    if trials is not None and trials < config.trials:
        before = "no limit but its time" if config.trials == UNLIMITED else config.trials
        raise ValueError(f"trials is {trials}, but the run has {before}, and can only grow (trials=...)")
    if time is not None and (config.time is None or time < config.time):
        before = "no limit" if config.time is None else f"{config.time:g} seconds"
        raise ValueError(f"time is {time:g} seconds, but the run has {before}, and can only grow (time=...)")
    with locked(folder):
        study = open_study(folder, config)
        own = study.trials()
        if len(own) >= size:
            is_whole = size == configurations(config.space)
            rule = "which are all configurations of its space" if is_whole else "so give it more (trials=...)"
            raise ValueError(f"{folder} has {len(own)} trials already, {rule}")
        if limit is not None and study.ran() > limit:
            raise ValueError(
                f"{folder} has run for {study.ran():.0f} seconds, so its time of {limit:g} is over (time=...)"
            )
        study.record_growth({"trials": config.trials, "time": config.time, "begun": len(own)})
        write_tables(folder, study, own)
        config = replace(config, trials=size, time=limit)
        write_config(folder, config)
    stopped = [trial for trial in own if trial.state is State.STOPPED]
    notes = []
    if stopped:
        notes.append(
            f"trials that have stopped before epoch {config.epochs} do not go on, for their checkpoints are "
            f"deleted: {len(stopped)} of {len(own)}"
        )
    if (folder / "results" / "confirm.parquet").exists():
        notes.append("the confirmation does not know further trials; confirm again when the search has ended")
    return config, notes
