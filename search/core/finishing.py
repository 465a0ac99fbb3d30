"""The end of a search: the trials that are still trained to the last rung, so that its winners were.

The promotion rule may leave the best trial paused: a rung with fewer than eta trials promotes none, and a
trial may be better after a few epochs than all others at the end.
"""

import numpy as np

from search.core.job import LOST, State, Trial
from search.core.policies.base import ranked
from search.core.ranking import is_front, last_vector
from search.core.trials import Trials

ENDED = (*LOST, State.STOPPED)


def unfinished(trials: Trials, rungs: int, eta: int) -> Trial | None:
    """The next trial to finish when the policy is done; None if all are finished.

    First the best trial of a rung, if it is paused there; the highest such rung counts. Then the incumbent,
    and with several objectives each trial of the front, if it is paused: at most eta trials more than the
    rule promotes, for in a space that overfits there may be many.
    """
    _, history = ranked(trials.history)
    for rung in reversed(range(rungs - 1)):
        valued = [trial for trial in trials.values() if len(trial.values) > rung and trial.state not in ENDED]
        losses = {trial.number: history[history.first + trial.number].values[rung] for trial in valued}
        best = min(valued, key=lambda trial: (losses[trial.number], trial.number), default=None)
        if best and best.state is State.PAUSED and len(best.values) == rung + 1:
            return best
    if finished(trials, rungs - 1) >= finished(trials, rungs - 2) // eta + eta:
        return None
    return next((trial for trial in winners(trials) if trial.state is State.PAUSED), None)


def finished(trials: Trials, rung: int) -> int:
    """How many trials have finished a rung."""
    return sum(len(trial.values) > rung for trial in trials.values())


def winners(trials: Trials) -> list[Trial]:
    """The incumbent; with several objectives the front, the best first objective first."""
    best = trials.best()
    if best is None or not trials.space.further_objectives:
        return [best] if best else []
    valued = [trials[number] for _, number in trials.valued]
    front = is_front(np.array([last_vector(trials.space, trial) for trial in valued]))
    # No trial is on the front if all break the constraints.
    return [trial for trial, on_front in zip(valued, front, strict=True) if on_front or trial is best]
