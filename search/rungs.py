"""The promotion rule: what to do next, as a pure function of the values finished so far.

Asynchronous successive halving, promotion type: Li et al., "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020, algorithm 2. Rung k is a milestone of `grace * eta**k` epochs. A trial
that is in the top `1/eta` of all that have finished its rung goes on to the next one; who is never
promoted has been stopped, and nothing is trained past its rung on hope.

    values = {0: (0.9,), 1: (0.5,), 2: (0.7,)}          three trials have finished rung 0
    decide(values, busy=set(), rungs=3, eta=3, left=9)  -> Promote(rung=1, trials=(1,))
    decide(values, busy={1}, rungs=3, eta=3, left=9)    -> Sample()       trial 1 is on its way
    decide(values, busy={1}, rungs=3, eta=3, left=0)    -> Wait()         it may yet change who is on top
    decide({**values, 1: (0.5, 0.4)}, set(), rungs=3, eta=3, left=0) -> Done()
    decide(values, busy=set(), rungs=3, eta=3, left=9, least=(1, 2, 2)) -> Sample()   a pack of one is dear
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Promote:
    """Train these trials, best first, to rung `rung`."""

    rung: int
    trials: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Start new trials."""


@dataclass(frozen=True)
class Wait:
    """Nothing can be decided before a running job ends."""


@dataclass(frozen=True)
class Done:
    """There is nothing left to train."""


Decision = Promote | Sample | Wait | Done


def milestones(grace: int, eta: int, epochs: int) -> tuple[int, ...]:
    """The rungs in epochs: grace * eta**k below `epochs`, then `epochs` itself (ASHA's R).

    Raises ValueError if the numbers make no ladder.
    """
    if eta < 2:
        raise ValueError(f"eta is {eta}, but must be >= 2 (search/config.yaml or eta=3)")
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}, but must be >= 1 (search/config.yaml or epochs=9)")
    if not 1 <= grace <= epochs:
        raise ValueError(
            f"grace is {grace}, but must be from 1 to epochs={epochs} (search/config.yaml or grace=1)"
        )
    rungs = []
    milestone = grace
    while milestone < epochs:
        rungs.append(milestone)
        milestone *= eta
    return (*rungs, epochs)


def decide(
    values: Mapping[int, Sequence[float]],
    busy: Collection[int],
    *,
    rungs: int,
    eta: int,
    left: int,
    least: Sequence[int] | None = None,
) -> Decision:
    """What to do when a worker is free.

    `values[t]` are trial t's objectives at the rungs it has finished, less is better, infinite if it
    diverged there; failed trials are left out. `busy` trials are being trained, `left` may still be started.
    While some are left, fewer than `least[k]` trials (1 unless given) wait for company to go to rung k with;
    waiting costs no training, and who is promoted later is chosen among more.
    """
    for rung in reversed(range(rungs - 1)):
        finished = [trial for trial in values if len(values[trial]) > rung]
        top = sorted(finished, key=lambda t: (values[t][rung], t))[: len(finished) // eta]
        ready = tuple(
            t for t in top if len(values[t]) == rung + 1 and t not in busy and values[t][rung] < inf
        )
        if len(ready) >= (least[rung + 1] if least and left > 0 else 1):
            return Promote(rung + 1, ready)
    # Trials that have no value yet and are in no job were cut off before their first rung.
    cut_off = tuple(t for t in sorted(values) if not values[t] and t not in busy)
    if cut_off:
        return Promote(0, cut_off)
    if left > 0:
        return Sample()
    return Wait() if busy else Done()
