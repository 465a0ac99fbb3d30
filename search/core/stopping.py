"""The decision to begin no further trial: when the model expects too little of it, or the time is over."""

from typing import Any, final

from search.core.history import History
from search.core.model.prospect import prospect
from search.core.model.surrogate import Modeller
from search.core.policies.base import Problem
from search.core.ranking import scalarised
from search.core.rungs import UNLIMITED, expected_epochs
from search.core.study import Study

GROWTH = 1.1  # the model is asked when there are this many times more results


@final
class Stopping:
    """Judges a search of `trials` trials. An end is final, also for a resumed search."""

    def __init__(
        self, problem: Problem, trials: int, min_gain: float | None, time: float | None, study: Study
    ) -> None:
        """`min_gain`: share of the distance from the median value to the best; None: whatever is expected.

        `time`: seconds of searching; None: no limit.
        """
        self.problem, self.trials, self.min_gain, self.study = problem, trials, min_gain, study
        self.time = time
        self.modeller = Modeller(problem.space, problem.rungs, problem.seed)
        self.end: dict[str, Any] | None = study.early_end()
        self.judged = 0  # results at the last judgement

    def reached(self, history: History, results: int) -> bool:
        """Whether no further trial is begun. The first time, the reason is recorded in the study.

        `results` are those of the search itself. One trial begins, however short the time.
        """
        begun = len(history) - history.first
        is_over = self.time is not None and 0 < begun < self.trials and self.study.ran() > self.time
        if self.end is None and is_over:
            self.end = {"trials": begun, "time": self.time}
            self.study.record_early_end(self.end)
        if self.end is None and self.min_gain is not None and results >= GROWTH * self.judged:
            self.judged = results
            found = prospect(self.modeller, scalarised(history), self.min_gain)
            if found and found.gain < self.min_gain:
                self.end = {
                    "trials": begun,
                    "gain": found.gain,
                    "certainty": found.certainty,
                    "min_gain": self.min_gain,
                    "epochs_saved": self._epochs(self.trials) - self._epochs(begun)
                    if self.trials < UNLIMITED
                    else 0,
                }
                self.study.record_early_end(self.end)
        return self.end is not None

    def _epochs(self, trials: int) -> int:
        return expected_epochs(trials, self.problem.rungs, self.problem.eta)
