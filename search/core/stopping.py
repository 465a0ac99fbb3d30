"""The decision to begin no further trial, when the model expects too little of it (`stop=auto`)."""

from collections.abc import Sequence
from typing import Any, final

from search.core.history import Observation
from search.core.model.prospect import prospect
from search.core.model.surrogate import Modeller
from search.core.policies.base import Problem
from search.core.ranking import scalarised
from search.core.rungs import expected_epochs
from search.core.study import Study

GROWTH = 1.1  # the model is asked when there are this many times more results


@final
class Stopping:
    """Judges the prospect of a search of `trials` trials. An end is final, also for a resumed search."""

    def __init__(self, problem: Problem, trials: int, min_gain: float | None, study: Study) -> None:
        """`min_gain`: share of the distance from the median value to the best; None: no early end."""
        self.problem, self.trials, self.min_gain, self.study = problem, trials, min_gain, study
        self.modeller = Modeller(problem.space, problem.rungs, problem.seed)
        self.end: dict[str, Any] | None = study.early_end()
        self.judged = 0  # results at the last judgement

    def reached(self, history: Sequence[Observation]) -> bool:
        """Whether no further trial is begun. The first time, the reason is recorded in the study."""
        results = sum(len(observation.values) for observation in history)
        if self.end is None and self.min_gain is not None and results >= GROWTH * self.judged:
            self.judged = results
            found = prospect(self.modeller, scalarised([*self.problem.earlier, *history]), self.min_gain)
            if found and found.gain < self.min_gain:
                self.end = {
                    "trials": len(history),
                    "gain": found.gain,
                    "certainty": found.certainty,
                    "min_gain": self.min_gain,
                    "epochs_saved": self._epochs(self.trials) - self._epochs(len(history)),
                }
                self.study.record_early_end(self.end)
        return self.end is not None

    def _epochs(self, trials: int) -> int:
        return expected_epochs(trials, self.problem.rungs, self.problem.eta)
