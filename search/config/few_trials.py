"""The rungs of a search with few trials, where neither `grace` nor `eta` is given."""

from math import ceil

from search.core.rungs import milestones, reaching


def for_few_trials(trials: int, grace: int, eta: int, epochs: int) -> tuple[int, int]:
    """`grace` and `eta`, changed where fewer than two of the trials would reach the last rung.

    Then eta falls to half the trials (2 at least), and grace rises until two trials reach the last rung: at
    most to `epochs`, which is then the only rung.

        for_few_trials(8, 1, 3, 9) -> (3, 3)      rungs at epochs 3 and 9; 2 of 8 reach the last one
        for_few_trials(5, 1, 3, 9) -> (5, 2)      rungs at epochs 5 and 9
        for_few_trials(3, 1, 3, 9) -> (9, 2)      one rung
    """
    rungs = milestones(grace, eta, epochs)
    if len(rungs) == 1 or reaching(trials, rungs, eta) >= 2:
        return grace, eta
    eta = max(2, min(eta, trials // 2))
    steps = 1  # the power of eta that lies between the first and the last rung
    while trials // (steps * eta) >= 2:
        steps *= eta
    return max(grace, ceil(epochs / steps)), eta
