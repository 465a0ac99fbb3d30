"""optuna-dashboard on a run's journal: trials appear as they begin, and their curves grow rung by rung.

The journal is the run's whole state, so the dashboard only looks: it gets a backend that can't append.
What stands there of a rung (search/core/study.py) is made into what the dashboard draws and sorts by: a value
at each epoch, and the columns `epochs`, `objective`, `seconds` and `device`.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from results.store import Run

# As in optuna/storages/journal/_storage.py; a journal of any Optuna since 3.1 has these numbers.
SET_INTERMEDIATE_VALUE, SET_USER_ATTR = 7, 8
HOST = "127.0.0.1"
REFUSAL = "the dashboard of a run only looks; nothing is written to its journal"


def serve(run: Run, port: int) -> None:
    """Serves the run's dashboard until it is interrupted; port 0 is any that is free. Raises ValueError."""
    server = make(run, port)
    print(f"{run.name} ({run.status}): http://{HOST}:{server.server_port}/dashboard/studies/0")
    print("Ctrl-C ends the dashboard, not the search.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def make(run: Run, port: int) -> WSGIServer:
    """A server of the run's dashboard that listens already. Raises ValueError."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise ValueError("optuna-dashboard is not installed; install it: pip install optuna-dashboard")
    from optuna_dashboard import wsgi

    journal = run.path / "study.log"
    if not journal.exists():
        raise ValueError(f"{run.path} has no study.log yet, so there is nothing to show; try again")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(LookOnly(journal, run.config["objective"]["metric"]))
    try:
        return make_server(HOST, port, only_get(wsgi(storage)), ThreadingServer, QuietHandler)
    except (OSError, OverflowError) as error:
        raise ValueError(f"port is {port}, which can't be used: {error} (port=...)") from error


def only_get(app: Callable[..., Any]) -> Callable[..., Any]:
    """The WSGI application without its buttons that delete, rename and annotate."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return app(environ, start_response)
        start_response(
            "405 Method Not Allowed", [("Content-Type", "application/json"), ("Allow", "GET, HEAD")]
        )
        return [json.dumps({"reason": REFUSAL}).encode()]

    return answer


class LookOnly(BaseJournalBackend):
    """A run's journal to be read, with what it says of rungs told as a dashboard understands it."""

    def __init__(self, journal: Path, metric: str) -> None:
        self.journal, self.metric = JournalFileBackend(str(journal)), metric
        self.read = 0  # lines of the journal
        self.told: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        """What is told from this number on, what was appended since the last call included."""
        for line in self.journal.read_logs(self.read):
            self.read += 1
            self.told.extend(self._tell(line))
        return self.told[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise PermissionError(REFUSAL)

    def _tell(self, line: dict[str, Any]) -> Iterator[dict[str, Any]]:
        attributes = line.get("user_attr", {}) if line["op_code"] == SET_USER_ATTR else {}
        rungs = [value for key, value in attributes.items() if key.startswith("rung/")]
        if not rungs:
            yield line
        for rung in rungs:
            same = {key: line[key] for key in ("worker_id", "trial_id")}
            values = {row["epoch"]: row[self.metric] for row in rung["epochs"] if self.metric in row}
            for epoch, value in values.items():
                told = {"step": epoch, "intermediate_value": value}
                yield {"op_code": SET_INTERMEDIATE_VALUE, **same, **told}
            last = {"objective": values[max(values)]} if values else {}
            last |= {"epochs": rung["trained"], "seconds": rung["seconds"], "device": rung["device"]}
            for key, value in last.items():
                yield {"op_code": SET_USER_ATTR, **same, "user_attr": {key: value}}


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """A thread a request, as optuna-dashboard's own command has it."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """Without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
