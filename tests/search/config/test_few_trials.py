"""The rungs of a search with few trials."""

import itertools

import pytest

from search.config.few_trials import for_few_trials
from search.core.rungs import milestones, reaching


@pytest.mark.parametrize(
    ("trials", "grace", "eta", "epochs", "expected"),
    [
        (8, 1, 3, 9, (3, 3)),
        (18, 1, 3, 9, (1, 3)),  # enough
        (17, 1, 3, 9, (3, 3)),
        (17, 5, 3, 81, (27, 3)),
        (20, 1, 3, 100, (12, 3)),  # rungs at epochs 12, 36 and 100
        (5, 1, 3, 9, (5, 2)),
        (3, 1, 3, 9, (9, 2)),  # every trial in full
        (1, 1, 3, 1, (1, 3)),
    ],
)
def test_rungs_for_few_trials(trials, grace, eta, epochs, expected):
    assert for_few_trials(trials, grace, eta, epochs) == expected


def test_two_of_few_trials_reach_the_last_rung():
    for trials, grace, eta, epochs in itertools.product(range(1, 30), (1, 2, 5), (2, 3, 7), (5, 9, 100)):
        changed, factor = for_few_trials(trials, grace, eta, epochs)
        rungs = milestones(changed, factor, epochs)
        assert changed >= grace and 2 <= factor <= eta and reaching(trials, rungs, factor) >= min(2, trials)
