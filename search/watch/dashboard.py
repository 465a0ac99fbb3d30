"""optuna-dashboard on a run: trials appear as they begin, and their curves grow rung by rung.

The dashboard gets a copy of the study in memory, which follows the journal. The server refuses its
buttons that delete or rename, because they would change the copy alone; optuna-dashboard can't hide them.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Iterable
from threading import Lock
from typing import cast

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from search.core.study import Study
from search.watch.server import App, Environ, StartResponse

PAGE = "/dashboard/studies/0"  # of the one study
PATHS = ("/dashboard", "/api", "/static", "/favicon.ico")  # that optuna-dashboard answers


def optuna_dashboard(study: Study, name: str) -> App | None:
    """optuna-dashboard on a copy of a study that is not writable; None if it is not installed."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        return None
    from optuna_dashboard import wsgi

    copy = StudyCopy(study, name)
    app = wsgi(copy.storage)

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        copy.refresh()
        return cast(Iterable[bytes], app(environ, start_response))

    return answer


class StudyCopy:
    """A copy of a study in memory, as the dashboard draws and sorts it.

    A trial has a value for each epoch, and the attributes `epochs`, `objective`, `seconds` and `device`.
    """

    def __init__(self, study: Study, name: str) -> None:
        self.study, self.storage, self.lock = study, InMemoryStorage(), Lock()
        directions = study.storage.get_study_directions(study.study_id)
        self.study_id = self.storage.create_new_study(directions, name)
        self.ids: list[int] = []  # of trials in the copy, by number
        self.epochs: dict[int, int] = defaultdict(int)  # copied, by number
        self.refresh()

    def refresh(self) -> None:
        """Copies everything that the journal has and the copy lacks."""
        metric = self.study.space.objective.metric
        with self.lock:
            trials = self.study.frozen_trials()
            for trial in trials[len(self.ids) :]:
                template = create_trial(
                    state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions
                )
                template.datetime_start = trial.datetime_start
                self.ids.append(self.storage.create_new_trial(self.study_id, template))
            for row in self.study.epoch_rows():
                number, epoch = row["trial"], row["epoch"]
                if epoch > self.epochs[number] and not self._ended(number):
                    self.epochs[number] = epoch
                    if metric in row:
                        self.storage.set_trial_intermediate_value(self.ids[number], epoch, row[metric])
                        self.storage.set_trial_user_attr(self.ids[number], "objective", row[metric])
            for known in self.study.trials():
                if not self._ended(known.number) and known.epochs:
                    for key in ("epochs", "seconds", "device"):
                        self.storage.set_trial_user_attr(self.ids[known.number], key, getattr(known, key))
            for trial in trials:
                if trial.state.is_finished() and not self._ended(trial.number):
                    self.storage.set_trial_state_values(self.ids[trial.number], trial.state, trial.values)

    def _ended(self, number: int) -> bool:
        return self.storage.get_trial(self.ids[number]).state.is_finished()
