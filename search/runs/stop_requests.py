"""Requests of other processes to stop a trial of a running search: `stop/NUMBER` in the folder of the run.

A request stays until its trial has ended, so one that a kill has cut off is met when the search goes on.
"""

from contextlib import suppress
from pathlib import Path

from results.files import write_text
from results.store import Run
from search.core.job import State
from search.core.queue import Queue
from search.runs.folder import read_config
from search.runs.journal import open_study

FOLDER = "stop"
MAY_STOP = (State.RUNNING, State.PAUSED)


def request(run: Run, number: int) -> None:
    """Asks the search of a run to stop a trial.

    Raises ValueError if the run is not running, or it has no such trial, or the trial has ended.
    """
    if run.status != "running":
        raise ValueError(f"{run.path} is not being searched, so none of its trials trains")
    trials = open_study(run.path, read_config(run), writable=False).trials()
    if number >= len(trials):
        raise ValueError(f"there is no trial {number} in {run.path}; it has {len(trials)}, from 0 on")
    if trials[number].state not in MAY_STOP:
        raise ValueError(f"trial {number} of {run.path} has ended already: {trials[number].state.value}")
    (run.path / FOLDER).mkdir(exist_ok=True)
    write_text(run.path / FOLDER / str(number), "")


def take_in(folder: Path, queue: Queue) -> list[int]:
    """Stops the trials that are asked for and are in no job. Returns their numbers."""
    stopped = []
    for path in sorted((folder / FOLDER).glob("[0-9]*")):  # temporary names begin with a dot
        if not path.name.isdecimal():
            continue
        trial = queue.trials.get(int(path.name))
        if trial and trial.state is State.PAUSED and trial.values:
            queue.stop(trial)
            stopped.append(trial.number)
        elif trial and trial.state in MAY_STOP:
            continue  # its next rung comes first
        path.unlink(missing_ok=True)
    return stopped


def remove(folder: Path) -> None:
    """The search has ended: removes the requests that came too late."""
    for path in (folder / FOLDER).glob("*"):
        path.unlink(missing_ok=True)
    with suppress(OSError):  # there is none, or a further request has just come
        (folder / FOLDER).rmdir()
