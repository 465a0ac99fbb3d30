"""The model of a search: from its history to a posterior of the value at the last rung."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.core.history import History, Observation, Result
from search.core.model.encoding import Array, Encoding
from search.core.model.gaussian_process import Posterior, fit
from search.core.model.results import earlier_state, fidelities, rows, thin
from spaces.seeds import derive_seed
from spaces.space import Space

CENTRES = 6  # best trials, near which new configurations are sought
GROWTH = 1.2  # the hyperparameters are fitted anew when there are this many times more results
ITERATIONS = 40  # of each fit


@dataclass(frozen=True)
class Surrogate:
    """A posterior, and what a choice needs beside it."""

    encoding: Encoding
    posterior: Posterior  # given all results; each running trial counts with its mean
    incumbent: int  # position in the history of the trial with the lowest mean at the last rung
    centres: Array  # points of the trials with the lowest means there, its own first, (centres, parameters)
    seed: int  # of the candidates; another one for each state of the search


class Modeller:
    """Makes the surrogate of a history, in one space and on one ladder of rungs.

    Hyperparameters are fitted to the first n results, n from a geometric sequence. They follow from the
    history alone, so a resumed search has the same ones; the last ones are kept to save time.
    """

    def __init__(self, space: Space, rungs: Sequence[int], seed: int) -> None:
        self.encoding, self.rungs, self.seed = Encoding(space), tuple(rungs), seed
        self.fitted: tuple[list[Result], int, Array] = ([], 0, np.empty(0))  # log, its first n, their fit

    def surrogate(self, history: Sequence[Observation]) -> Surrogate:
        """The surrogate of a history with at least one value.

        The incumbent and the centres have not diverged, unless all trials have.
        """
        history = History.of(history)
        used = thin(history, self.seed)
        theta = self._hyperparameters(history)
        posterior = Posterior(theta, self.encoding.groups, rows(self.encoding, history, used, self.rungs))
        trials = sorted({result.trial for result in used})
        trials = [trial for trial in trials if not history[trial].diverged] or trials
        points = self._points([history[trial] for trial in trials])
        mean, _, _ = posterior.predict(self.encoding.features(points), np.ones(len(points)))
        best = np.argsort(mean, kind="stable")[:CENTRES]
        running = [history[position] for position in history.busy]
        if running:
            levels = fidelities(self.rungs)
            fidelity = np.array([levels[len(observation.values)] for observation in running])
            posterior = posterior.with_means(self.features(running), fidelity)
        seed = derive_seed(self.seed, len(history), len(history.log), len(running))
        return Surrogate(self.encoding, posterior, trials[best[0]], points[best], seed)

    def features(self, observations: Sequence[Observation]) -> Array:
        """Features of the configurations of trials, (trials, features)."""
        return self.encoding.features(self._points(observations))

    def _points(self, observations: Sequence[Observation]) -> Array:
        return np.array([self.encoding.point(observation.params) for observation in observations])

    def _hyperparameters(self, history: History) -> Array:
        size = 1
        while (larger := max(size + 1, int(size * GROWTH))) <= len(history.log):
            size = larger
        log, known, theta = self.fitted
        if log is not history.log or known != size:  # the first results of a log stay
            before = earlier_state(history, history.log[:size])
            own = rows(self.encoding, before, thin(before, self.seed), self.rungs)
            theta = fit(self.encoding.groups, own, ITERATIONS)
            self.fitted = history.log, size, theta
        return theta
