"""optuna-dashboard on a run: trials appear as they begin, and their curves grow rung by rung.

The dashboard gets a copy of the study in memory, which follows the journal. Its buttons that delete or rename
are refused, because they would change the copy alone; optuna-dashboard has no option that hides them.
"""

import importlib.util
import json
from collections import defaultdict
from collections.abc import Callable
from socketserver import ThreadingMixIn
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from results.store import Run
from search.config.run_config import RunConfig
from search.core.study import Study

HOST = "127.0.0.1"
REFUSAL = "the dashboard of a run is read-only; nothing is written to its journal"


def serve(run: Run, config: RunConfig, port: int) -> None:
    """Serves the dashboard of a run until it is interrupted; port 0 is any free one.

    Raises ValueError as `make` does.
    """
    server = make(run, config, port)
    print(f"{run.name} ({run.status}): http://{HOST}:{server.server_port}/dashboard/studies/0")
    print("Ctrl-C ends the dashboard, not the search.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def make(run: Run, config: RunConfig, port: int) -> WSGIServer:
    """A server of the dashboard that listens already.

    Raises ValueError if optuna-dashboard is not installed, the run has no journal yet, or the port is not
    free.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise ValueError("optuna-dashboard is not installed; install it: pip install optuna-dashboard")
    from optuna_dashboard import wsgi

    journal = run.path / "study.log"
    if not journal.exists():
        raise ValueError(f"{run.path} has no study.log yet, so there is nothing to show; try again")
    copy = StudyCopy(Study(journal, config.space, config.rungs, writable=False), run.name)
    try:
        return make_server(HOST, port, read_only(wsgi(copy.storage), copy), ThreadingServer, QuietHandler)
    except (OSError, OverflowError) as error:
        raise ValueError(f"port is {port}, which can't be used: {error} (port=...)") from error


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


def read_only(app: Callable[..., Any], copy: StudyCopy) -> Callable[..., Any]:
    """The WSGI application, which refreshes the copy before it reads, and refuses to write."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            copy.refresh()
            return app(environ, start_response)
        start_response(
            "405 Method Not Allowed", [("Content-Type", "application/json"), ("Allow", "GET, HEAD")]
        )
        return [json.dumps({"reason": REFUSAL}).encode()]

    return answer


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """A thread per request, as optuna-dashboard's own command has it."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """Prints no line per request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
