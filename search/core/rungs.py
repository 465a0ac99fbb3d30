"""The promotion rule: the next action, as a pure function of the values that trials have finished.

Asynchronous successive halving (ASHA), promotion type: Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020, algorithm 2. Rung k lies at `grace * eta**k` epochs. A trial in the top
`1/eta` of all that have finished its rung is promoted to the next one. A trial that is never promoted counts
as stopped; none trains speculatively past its rung.

    history of the values (0.9,) (0.5,) (0.7,)        three trials have finished rung 0
    decide(history, rungs=3, eta=3, left=9)           -> Promote(rung=1, trials=(1,))
    the same, and trial 1 is in a job                 -> Sample()
    the same, and left=0                              -> Wait()         its value may change the top third
    history of (0.9,) (0.5, 0.4) (0.7,), and left=0   -> Done()
    decide(history, rungs=3, eta=3, left=9, min_lanes=(1, 2, 2)) -> Sample()   one is too few
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from search.core.history import History

UNLIMITED: Final = 10**9  # trials of a search that its time alone ends


@dataclass(frozen=True)
class Promote:
    """Train these trials, best first, to rung `rung`."""

    rung: int
    trials: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Start new trials with these configurations. The rule itself names none."""

    params: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Wait:
    """Nothing can be decided before a running job ends."""


@dataclass(frozen=True)
class Done:
    """Nothing is left to train."""


Decision = Promote | Sample | Wait | Done


def milestones(grace: int, eta: int, epochs: int) -> tuple[int, ...]:
    """The rungs in epochs: each `grace * eta**k` below `epochs`, then `epochs` itself (R in the paper).

    Raises ValueError if `eta` is below 2, `epochs` below 1, or `grace` not from 1 to `epochs`.
    """
    if eta < 2:
        raise ValueError(f"eta is {eta}, but must be >= 2 (search/config/config.yaml or eta=3)")
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}, but must be >= 1 (search/config/config.yaml or epochs=9)")
    if not 1 <= grace <= epochs:
        raise ValueError(
            f"grace is {grace}, but must be from 1 to epochs={epochs} (search/config/config.yaml or grace=1)"
        )
    rungs = []
    milestone = grace
    while milestone < epochs:
        rungs.append(milestone)
        milestone *= eta
    return (*rungs, epochs)


def extended(rungs: Sequence[int], eta: int, epochs: int) -> tuple[int, ...]:
    """The rungs in epochs of a ladder that grows to `epochs`: those it has, and above them new ones.

        extended((1, 3, 9), 3, 81) -> (1, 3, 9, 27, 81)
        extended((1, 3, 9), 3, 20) -> (1, 3, 9, 20)

    Raises ValueError if `epochs` is not above the last rung.
    """
    if epochs <= rungs[-1]:
        raise ValueError(f"epochs is {epochs}, but must be above the last rung so far, {rungs[-1]}")
    return (*rungs, *milestones(min(rungs[-1] * eta, epochs), eta, epochs))


def reaching(trials: int, rungs: Sequence[int], eta: int) -> int:
    """How many of the trials reach the last rung, if each rung promotes one trial in eta."""
    return trials // eta ** (len(rungs) - 1)


def expected_epochs(trials: int, rungs: Sequence[int], eta: int) -> int:
    """The epochs of a search of so many trials, if each rung promotes one trial in eta."""
    before = (0, *rungs)
    return sum(trials // eta**k * (rung - before[k]) for k, rung in enumerate(rungs))


def decide(
    history: History,
    *,
    rungs: int,
    eta: int,
    left: int,
    min_lanes: Sequence[int] | None = None,
) -> Decision:
    """The next action when a worker is free.

    `left` more trials may start. While `left` > 0, a promotion to rung k waits for `min_lanes[k]` trials
    (default 1): waiting costs no training, and a later choice is made among more trials.
    """
    if lost := interrupted(history):
        return Promote(0, lost)  # first, as they were: so a search ends alike wherever it is killed
    for rung in reversed(range(rungs - 1)):
        ready = promotable(history, rung, eta)
        if len(ready) >= (min_lanes[rung + 1] if min_lanes and left > 0 else 1):
            return Promote(rung + 1, ready)
    if left > 0:
        return Sample()
    return Wait() if history.busy else Done()


def interrupted(history: History) -> tuple[int, ...]:
    """The trials that lost their job before the first rung: without a value and in no job."""
    return tuple(position - history.first for position in history.lost)


def hopeless(history: History, rungs: int, eta: int, left: int) -> tuple[int, ...]:
    """The paused trials that no result to come can bring into the top 1/eta of their rung, nor make the best.

    A trial can only fall in its rung, and the rung grows by the trials below and in jobs and by the `left`
    that have not begun. The best of a rung stays, for the end of a search finishes it; so do trials that are
    better than all complete ones.
    """
    complete = history.finished[rungs - 1]
    if not complete or history.has_vectors:
        return ()  # of several metrics, a further trial may change the rank of all
    below, found = left + len(history.busy) + len(history.lost), []
    for rung in range(rungs - 1):
        finished, paused = history.finished[rung], history.paused[rung]
        top = max(1, (len(finished) + below) // eta)
        if top <= len(finished):
            bound = max(finished[top - 1], (complete[0][0], inf))
            found += [position - history.first for _, position in paused[bisect_right(paused, bound) :]]
        below += len(paused)
    return tuple(found)


def promotable(history: History, rung: int, eta: int) -> tuple[int, ...]:
    """The trials that may go on from `rung`, best first: in the top 1/eta of it, paused and not diverged."""
    finished, paused = history.finished[rung], history.paused[rung]
    last = finished[len(finished) // eta - 1] if len(finished) >= eta else (-inf, -1)
    return tuple(position - history.first for _, position in paused[: bisect_right(paused, last)])
