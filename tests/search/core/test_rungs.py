"""The promotion rule against a table worked out by hand and against the algorithm's statement."""

import itertools
import random
from math import inf

import pytest

from search.core import rungs as rule
from search.core.history import History, Observation
from search.core.rungs import (
    Done,
    Promote,
    Sample,
    Wait,
    expected_epochs,
    extended,
    milestones,
)


def decide(values, busy, **options):
    """The rule's decision for trials with these values at their rungs, of which some are in a job."""
    trials = (Observation({}, tuple(own), busy=number in busy) for number, own in values.items())
    return rule.decide(History(trials), **options)


@pytest.mark.parametrize(
    ("grace", "eta", "epochs", "rungs"),
    [
        (1, 3, 9, (1, 3, 9)),
        (3, 3, 81, (3, 9, 27, 81)),
        (1, 3, 10, (1, 3, 9, 10)),
        (1, 2, 1, (1,)),
        (4, 2, 4, (4,)),
        (2, 4, 100, (2, 8, 32, 100)),
    ],
)
def test_milestones(grace, eta, epochs, rungs):
    assert milestones(grace, eta, epochs) == rungs


@pytest.mark.parametrize(
    ("rungs", "eta", "epochs", "expected"),
    [
        ((1, 3, 9, 27), 3, 81, (1, 3, 9, 27, 81)),
        ((1, 3, 9, 20), 3, 200, (1, 3, 9, 20, 60, 180, 200)),
        ((1, 3, 9), 3, 10, (1, 3, 9, 10)),
        ((4,), 2, 9, (4, 8, 9)),
    ],
)
def test_rungs_that_a_search_gets_are_above_its_own(rungs, eta, epochs, expected):
    assert extended(rungs, eta, epochs) == expected
    with pytest.raises(ValueError, match="must be above the last rung so far"):
        extended(expected, eta, epochs)


def test_the_expected_epochs_of_a_search():
    assert expected_epochs(27, (1, 3, 9), 3) == 27 * 1 + 9 * 2 + 3 * 6


@pytest.mark.parametrize(("grace", "eta", "epochs"), [(0, 3, 9), (10, 3, 9), (1, 1, 9), (1, 3, 0)])
def test_numbers_that_make_no_ladder(grace, eta, epochs):
    with pytest.raises(ValueError, match=r"search/config/config.yaml or"):
        milestones(grace, eta, epochs)


TABLE = [
    # values, busy, left, decision (rungs at 3 levels, eta 3)
    ({}, set(), 9, Sample()),
    ({}, set(), 0, Done()),
    ({0: ()}, {0}, 9, Sample()),
    ({0: ()}, {0}, 0, Wait()),
    ({0: ()}, set(), 9, Promote(0, (0,))),  # cut off before its first rung
    ({0: (0.9,), 1: (0.5,)}, set(), 9, Sample()),  # floor(2 / 3) = 0
    ({0: (0.9,), 1: (0.5,), 2: (0.7,)}, set(), 9, Promote(1, (1,))),
    ({0: (0.9,), 1: (0.5,), 2: (0.7,)}, {1}, 9, Sample()),
    ({0: (0.9,), 1: (0.5, 0.4), 2: (0.7,)}, set(), 9, Sample()),
    ({0: (0.9,), 1: (0.5, 0.4), 2: (0.7,)}, set(), 0, Done()),
    ({i: (i / 10,) for i in range(6)}, set(), 9, Promote(1, (0, 1))),  # best first
    (
        {0: (0.1, 0.1), 1: (0.2, 0.2), 2: (0.3, 0.3)} | {i: (i / 10,) for i in range(3, 9)},
        set(),
        9,
        Promote(2, (0,)),
    ),
    ({0: (0.5,), 1: (0.5,), 2: (0.5,)}, set(), 9, Promote(1, (0,))),  # a tie goes to the older trial
    (
        {0: (inf,), 1: (inf,), 2: (inf,)},
        set(),
        9,
        Sample(),
    ),  # diverged trials are never promoted
    ({0: (inf,), 1: (0.5,), 2: (inf,)}, set(), 0, Promote(1, (1,))),
]


@pytest.mark.parametrize(("values", "busy", "left", "decision"), TABLE)
def test_table_worked_out_by_hand(values, busy, left, decision):
    assert decide(values, busy, rungs=3, eta=3, left=left) == decision


@pytest.mark.parametrize(
    ("least", "left", "decision"),
    [
        ((1, 2, 1), 9, Promote(1, (0, 1))),  # two are enough
        ((1, 3, 1), 9, Sample()),  # two wait for a third while others can be started
        ((1, 3, 1), 0, Promote(1, (0, 1))),  # nobody else will come
    ],
)
def test_few_wait_for_company(least, left, decision):
    values = {i: (i / 10,) for i in range(6)}
    assert decide(values, set(), rungs=3, eta=3, left=left, min_lanes=least) == decision


def get_job(
    values: dict[int, list[float]], promoted: list[set[int]], rungs: int, eta: int
) -> tuple[int, int] | None:
    """Algorithm 2 of Li et al. (MLSys 2020) as printed: (trial, rung to go to), None for a new trial."""
    for rung in range(rungs - 2, -1, -1):
        at_rung = [trial for trial in values if len(values[trial]) > rung]
        candidates = sorted(at_rung, key=lambda t: (values[t][rung], t))[: len(at_rung) // eta]
        promotable = [t for t in candidates if t not in promoted[rung]]
        if promotable:
            return promotable[0], rung + 1
    return None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("workers", [1, 4])
def test_agrees_with_the_algorithm_as_printed(seed, workers):
    rng = random.Random(seed)
    rungs, eta, trials = 4, 3, 60
    values: dict[int, list[float]] = {}
    promoted: list[set[int]] = [set() for _ in range(rungs)]
    running: list[tuple[int, int]] = []
    while True:
        busy = {trial for trial, _ in running}
        decision = decide(values, busy, rungs=rungs, eta=eta, left=trials - len(values))
        if isinstance(decision, Done):
            break
        if len(running) == workers or isinstance(decision, Wait):
            trial, _ = running.pop(rng.randrange(len(running)))
            values[trial].append(rng.random())
            continue
        printed = get_job(values, promoted, rungs, eta)
        if isinstance(decision, Promote):
            assert printed == (decision.trials[0], decision.rung)
            promoted[decision.rung - 1].add(decision.trials[0])
            running.append((decision.trials[0], decision.rung))
        else:
            assert printed is None
            values[len(values)] = []
            running.append((len(values) - 1, 0))
    finished = [sum(len(v) > rung for v in values.values()) for rung in range(rungs)]
    # Asynchronous promotion may go past floor(n / eta) when the order of finishes misleads it, never below.
    assert finished[0] == trials
    assert all(up >= down // eta for down, up in itertools.pairwise(finished))
