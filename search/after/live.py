"""The live report: the report of a run, made again whenever its files have changed, and optuna-dashboard."""

import gzip
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import final

from results import text
from results.cached import remote_of
from results.report import render
from results.report.live import Live
from results.store import Run, is_locked, open_run
from search.after.report import extras_of
from search.config.run_config import RunConfig
from search.core.job import State
from search.core.rungs import UNLIMITED
from search.core.study import Study
from search.runs.fetch import fetch
from search.runs.tables import with_tables
from search.watch import dashboard
from search.watch.server import App, Environ, Server, StartResponse, refuse_to_write, reply

FETCH_EVERY = 10.0  # seconds between two looks at the remote copy of a run


def serve(run: Run, config: RunConfig, port: int) -> None:
    """Serves the live report of a run until it is interrupted; port 0 is any free one.

    Raises ValueError as `make` does.
    """
    server = make(run, config, port)
    print(f"{run.name} ({run.status}): {server.address}")
    print("Ctrl-C ends the dashboard, not the search.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def make(run: Run, config: RunConfig, port: int) -> Server:
    """A server of the live report that listens already.

    Raises ValueError if the run has no journal yet, or the port can't be used.
    """
    run = with_tables(run)
    journal = run.path / "study.log"
    if not journal.exists():
        raise ValueError(f"{run.path} has no study.log yet, so there is nothing to show; try again")
    follower, copied = (Study(journal, config.space, config.rungs, writable=False) for _ in range(2))
    optuna = dashboard.optuna_dashboard(copied, run.name)
    return Server(port, pages(LiveReport(run.path, config, follower, optuna is not None), optuna))


def pages(report: "LiveReport", optuna: App | None) -> App:
    """`/` is the report, `/version` says whether it has changed, `/content` has no scripts."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if optuna and path.startswith(dashboard.PATHS):
            return optuna(environ, start_response)
        try:
            if path == "/version":
                version = json.dumps({"version": report.version()}).encode()
                return reply(start_response, "200 OK", version, "application/json")
            if path in ("/", "/content"):
                html, how = report.html(whole=path == "/").encode(), {}
                if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):  # a fifth of it, through an SSH tunnel
                    html, how = gzip.compress(html, compresslevel=3), {"Content_Encoding": "gzip"}
                return reply(start_response, "200 OK", html, "text/html", **how)
        except ValueError as error:  # a file of the run is damaged
            return reply(start_response, "503 Service Unavailable", str(error).encode())
        return reply(start_response, "404 Not Found", b"the live report is at /")

    return refuse_to_write(answer)


@final
class LiveReport:
    """The report of the run in `folder`; `study` follows its journal, `optuna`: with optuna-dashboard."""

    def __init__(self, folder: Path, config: RunConfig, study: Study, optuna: bool) -> None:
        self.folder, self.config, self.study, self.optuna = folder, config, study, optuna
        self.lock, self.next_fetch = Lock(), 0.0
        self.made: dict[bool, tuple[str, str]] = {}  # version and HTML, by `whole`

    def version(self) -> str:
        """Another text once the run has changed. Raises ValueError if the remote copy can't be read."""
        with self.lock:
            return self._version(self._running())

    def html(self, whole: bool) -> str:
        """The report; made once for each version. Raises ValueError if a file of the run is damaged."""
        with self.lock:
            running = self._running()  # before the tables are read: those of an ended search are complete
            version = self._version(running)
            if self.made.get(whole, ("", ""))[0] != version:
                self.made[whole] = version, self._render(version, running, whole)
            return self.made[whole][1]

    def _running(self) -> bool:
        remote = remote_of(self.folder)
        if remote and time.monotonic() >= self.next_fetch:
            fetch(remote.parent, self.folder.name)
            self.next_fetch = time.monotonic() + FETCH_EVERY
        return is_locked(self.folder)

    def _version(self, running: bool) -> str:
        state = [str(running), *(f"{path.name} {at} {size}" for path, at, size in self._files())]
        return hashlib.sha256("\n".join(state).encode()).hexdigest()[:16]

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        """The tables and the journal, with the times of their last change in nanoseconds, and their sizes."""
        for path in (*sorted((self.folder / "results").rglob("*.parquet")), self.folder / "study.log"):
            if path.exists():
                status = path.stat()
                yield path, status.st_mtime_ns, status.st_size

    def _render(self, version: str, running: bool, whole: bool) -> str:
        run = open_run(self.folder)
        changed = max((at for _, at, _ in self._files()), default=0) / 1e9
        live = Live(
            version,
            running,
            run.config["trials"] if run.config["trials"] < UNLIMITED else None,
            in_training(run, self.study) if running else (),
            changed,
            dashboard.PAGE if self.optuna else "",
        )
        extras = replace(extras_of(run, self.config), live=live)
        return text.without_home(render.render(run, extras, whole))


def in_training(run: Run, study: Study) -> list[int]:
    """The trials in running jobs, as far as the files of a running search say.

    The tables know the jobs of the time when they were written, the journal the trials that have begun since.
    A trial that was promoted since is in neither.
    """
    known = {row["trial"]: (row["state"], row["epochs"]) for row in run.trials.to_pylist()}
    begun = ("running", 0)
    return [
        trial.number
        for trial in study.trials()
        if trial.state is State.PAUSED  # the journal's state of all that have not ended
        and known.get(trial.number, begun) == ("running", trial.epochs)
    ]
