"""More trials, epochs or time for a run that is not running: what `resume` does before it goes on.

The journal comes first, so that a kill in between leaves a run that is interrupted, with its size of before.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from search.config.run_config import RunConfig
from search.core.job import State, Trial
from search.core.queue import Queue
from search.core.rungs import UNLIMITED
from search.runs.folder import locked, write_config
from search.runs.journal import open_study
from search.runs.mirror import Mirror
from search.runs.tables import write_tables
from spaces.size import configurations

GOING_ON = (State.PAUSED, State.COMPLETE)  # states of the trials that more epochs are for


def enlarge(
    folder: Path,
    config: RunConfig,
    trials: int | None = None,
    epochs: int | None = None,
    time: float | None = None,
) -> tuple[RunConfig, list[str]]:
    """The configuration of the run in `folder` with this many `trials`, `epochs` and seconds of `time`, which
    its config.yaml has then too, and notes for the screen. None leaves a number as it is.

    More epochs add rungs above the last one, and complete trials may be promoted to them. Raises ValueError
    if a number is smaller than before, or no trial could begin or go on.
    """
    size = int(min(trials or config.trials, configurations(config.space)))
    limit = config.time if time is None else time
    if trials is not None and trials < config.trials:
        before = "no limit but its time" if config.trials == UNLIMITED else config.trials
        raise ValueError(f"trials is {trials}, but the run has {before}, and can only grow (trials=...)")
    if time is not None and (config.time is None or time < config.time):
        before = "no limit" if config.time is None else f"{config.time:g} seconds"
        raise ValueError(f"time is {time:g} seconds, but the run has {before}, and can only grow (time=...)")
    higher = epochs is not None and epochs > config.epochs
    if epochs is not None and epochs < config.epochs:
        raise ValueError(
            f"epochs is {epochs}, but the run has {config.epochs}, and can only grow (epochs=...)"
        )
    with locked(folder):
        study = open_study(folder, config)
        own = study.trials()
        if len(own) >= size and not higher:
            is_whole = size == configurations(config.space)
            rule = "which are all configurations of its space" if is_whole else "so give it more (trials=...)"
            raise ValueError(f"{folder} has {len(own)} trials already, {rule}")
        if not (len(own) < size or any(trial.state in GOING_ON for trial in own)):
            raise ValueError(
                f"no trial of it can go on to more epochs, so give it more trials (trials=...): {folder}"
            )
        if limit is not None and study.ran() > limit and not higher:
            raise ValueError(
                f"{folder} has run for {study.ran():.0f} seconds, so its time of {limit:g} is over (time=...)"
            )
        study.record_growth(
            {"trials": config.trials, "epochs": config.epochs, "time": config.time, "begun": len(own)}
        )
        config = replace(config, trials=size, time=limit)
        notes = [stopped_note(own, config.epochs)]
        if higher:
            assert epochs is not None
            config = replace(config, epochs=epochs, grown_from=(*config.grown_from, config.epochs))
            study = open_study(folder, config)  # whose complete trials may go on
            notes.append(higher_note(own, config))
        write_tables(folder, study, study.trials())
        write_config(folder, config)
    if (folder / "results" / "confirm.parquet").exists():
        why = f"has trained for {config.grown_from[-1]} epochs" if higher else "does not know further trials"
        notes.append(f"the confirmation {why}; confirm again when the search has ended")
    return config, [note for note in notes if note]


def stopped_note(trials: Sequence[Trial], epochs: int) -> str:
    """A line on the trials that have stopped before the last rung, so far at `epochs`; empty if none has."""
    if not (stopped := sum(trial.state is State.STOPPED for trial in trials)):
        return ""
    return (
        f"trials that have stopped before epoch {epochs} do not go on, for their checkpoints are deleted: "
        f"{stopped} of {len(trials)}"
    )


def higher_note(trials: Sequence[Trial], config: RunConfig) -> str:
    """Lines on the rungs that a search has got."""
    before = config.grown_from[-1]
    complete = sum(trial.state is State.COMPLETE for trial in trials)
    rungs = ", ".join(str(rung) for rung in config.rungs if rung > before)
    return (
        f"new rungs: epochs {rungs}; complete trials that may go on to them: {complete}. A schedule of the "
        f"learning rate spans {config.epochs} epochs from now on; trials that began with {before} go on at "
        "their place in it, and are not quite comparable with later ones"
    )


def stop_without_checkpoint(queue: Queue, config: RunConfig, folder: Path) -> list[int]:
    """Stops the trials that were complete before the epochs grew and have lost their checkpoint since.

    Returns their numbers.
    """
    files = Mirror(folder)
    lost = [
        trial
        for trial in queue.trials.values()
        if trial.state is State.PAUSED and trial.epochs in config.grown_from
        if trial.checkpoint is None or files.size(trial.checkpoint) is None
    ]
    for trial in lost:
        queue.stop(trial)
    return [trial.number for trial in lost]
