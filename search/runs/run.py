"""A run from start to end: check, make the folder, search, confirm, close."""

import logging
import signal
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from results import environment
from results.store import Run
from search.config.run_config import RunConfig
from search.core.job import Trial
from search.core.queue import Plan, Queue
from search.engines.base import Engine
from search.engines.registry import make_engine
from search.engines.train_job import TrainJob
from search.runs import warm_start
from search.runs.confirm import confirm_trials, has_value, jobs_left
from search.runs.find import find, open_whole
from search.runs.folder import locked, new_folder, read_config, short, write_config
from search.runs.journal import check_journal, open_study
from search.runs.preflight import check_test_split, prepare, prepare_again
from search.runs.recorder import Recorder
from search.watch.capture import CapturedOutput, capture_output
from search.watch.progress import ProgressView
from search.watch.prometheus import Gauges
from search.watch.watcher import Watcher

logger = logging.getLogger(__name__)
AtEnd = Callable[[Path], object]
"""Called with the folder of a run when its work is done, while the engine closes: begins the report."""
Work = Callable[[Engine, RunConfig, Path, ProgressView], None]
CONFIRM_TOP = 3  # trials to confirm unless told otherwise


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    interrupted: bool = False
    storage_error: str | None = None  # why the folder could not be written, if that ended the run


def start(config: RunConfig, at_end: AtEnd | None = None) -> Outcome:
    """Makes a new run and searches.

    Raises ValueError, with nothing written, for what `prepare` refuses, a storage that cannot be written, a
    name in use, and a confirmation without a test split.
    """
    config, notes = prepare(config)
    if config.confirm_top:
        check_test_split(config)
    folder = new_folder(config)
    if config.warm_start:
        earlier = warm_start.warm_start(find(config.warm_start, config.storage), config)
        notes.append(warm_start.note(earlier))
    with capture_output() as output:
        return carry_out(search, config, folder, output, notes, new=True, at_end=at_end)


def resume(folder: Path, at_end: AtEnd | None = None) -> Outcome:
    """Continues a run that was interrupted, in its search or in the confirmation after it.

    Raises ValueError if the run is finished, is running, or cannot continue (see `prepare_again`).
    """
    run = open_idle(folder)
    check_journal(run, config := read_config(run))
    if run.status == "finished":
        if config.confirm_top and jobs_left(config, folder, trials_of(config, folder)):
            return confirm(folder, at_end)
        raise ValueError(f"{folder} is finished; look at it with: python -m search show {folder}")
    config, notes = prepare_again(run)
    with capture_output() as output:
        return carry_out(search, config, folder, output, notes, new=False, at_end=at_end)


def confirm(
    folder: Path, at_end: AtEnd | None = None, *, top: int | None = None, seeds: int | None = None
) -> Outcome:
    """Retrains the `top` trials of a run and its default on `seeds` new seeds; scores them on the test split.

    `top` and `seeds` default to the run's own numbers, else 3 and 5. Finished trainings are not repeated.
    Raises ValueError if no trial has a value, the data has no test split, the run is running, or it cannot
    continue (see `prepare_again`).
    """
    run = open_idle(folder)
    check_journal(run, read_config(run))
    config, notes = prepare_again(run)
    check_test_split(config)
    if run.status == "interrupted":
        notes.append("the search is not finished; these are the best so far")
    top = top or config.confirm_top or CONFIRM_TOP
    config = replace(config, confirm_top=top, confirm_seeds=seeds or config.confirm_seeds)
    trials = trials_of(config, folder)
    if not jobs_left(config, folder, trials):
        return Outcome(folder)

    def work(engine: Engine, config: RunConfig, folder: Path, view: ProgressView) -> None:
        confirm_trials(engine, config, folder, view, trials)

    with capture_output() as output:
        return carry_out(work, config, folder, output, notes, new=False, at_end=at_end)


def open_idle(folder: Path) -> Run:
    """The run in the folder. Raises ValueError if it is running."""
    run = open_whole(folder)
    if run.status == "running":
        raise ValueError(f"{folder} is being searched by another process; wait for it or stop it")
    return run


def trials_of(config: RunConfig, folder: Path) -> list[Trial]:
    """The trials of a run that is not running. Raises ValueError if it is."""
    with locked(folder):
        return open_study(folder, config).trials()


def carry_out(
    work: Work,
    config: RunConfig,
    folder: Path,
    output: CapturedOutput,
    notes: Sequence[str],
    *,
    new: bool,
    at_end: AtEnd | None,
) -> Outcome:
    """Does the work on the configured engine, in the locked folder, with a view of its progress."""
    engine = make_engine(config, TrainJob.of(config, folder))
    try:
        if new:
            folder.mkdir(parents=True)
            write_config(folder, config)
        environment.record(folder)
        output.keep(folder / "run.log")
        title = f"{folder.name}: {config.space.about or config.space.name}"
        # After the engine, for Ray installs a SIGTERM handler of its own.
        view = ProgressView(output.console, title, engine.workers)
        with sigterm_interrupts(), locked(folder), view:
            view.say(title)
            for note in notes:
                view.say(f"note: {note}")
            work(engine, config, folder, view)
        if at_end:
            at_end(folder)
        return Outcome(folder)
    except KeyboardInterrupt:
        return Outcome(folder, interrupted=True)
    except OSError as error:
        logger.exception("the run's folder can't be written")
        return Outcome(folder, storage_error=str(error))
    finally:
        engine.close()


def search(engine: Engine, config: RunConfig, folder: Path, view: ProgressView) -> None:
    """Runs the queue of the folder on the engine, then the confirmation if one is configured."""
    if config.warm_start and not (folder / warm_start.FILE).exists():
        earlier = find(config.warm_start, config.storage)
        warm_start.write(folder, warm_start.warm_start(earlier, config))
    plan = make_plan(config, warm_start.read(folder), engine.workers)
    queue = Queue(config.space, plan, open_study(folder, config))
    announce(view, config, folder, engine.dashboard)
    recorder = Recorder(queue, folder, view, watchers(engine, config, folder, queue, view))
    try:
        engine.run(recorder)
    finally:
        recorder.end()
    if config.confirm_top and has_value(queue.trials.values()):
        confirm_trials(engine, config, folder, view, list(queue.trials.values()))


def make_plan(config: RunConfig, earlier: warm_start.WarmStart, workers: int) -> Plan:
    """The plan of a search: known points of the earlier run first, then those of the space."""
    own = [config.space.point(seed) for seed in config.space.seeds]
    return Plan(
        trials=config.trials,
        rungs=config.rungs,
        eta=config.eta,
        seed=config.seed,
        sampler=config.sampler,
        lanes=None if config.lanes == "auto" else int(config.lanes),
        workers=workers,
        init_seed=config.init_seed,
        known=(*earlier.points, *(point for point in own if point not in earlier.points)),
        observations=earlier.observations,
        min_gain=config.min_gain if config.stop else None,
    )


def watchers(
    engine: Engine, config: RunConfig, folder: Path, queue: Queue, view: ProgressView
) -> list[Watcher]:
    """Gauges, and the configured logger. Raises ValueError if the logger cannot start."""
    chosen: list[Watcher] = [Gauges(engine.publish, folder.name)]
    if config.logger != "none":
        from search.watch.loggers import registry  # imports Lightning

        chosen.append(registry.begin(config, folder, queue, view.say))
    return chosen


def announce(view: ProgressView, config: RunConfig, folder: Path, dashboard: str | None) -> None:
    """Prints the size of the search, and where to follow it."""
    rungs = ", ".join(map(str, config.rungs))
    view.say(f"{config.trials} trials, rungs at epochs {rungs}, {view.workers} at a time, in {short(folder)}")
    need = config.eta ** (len(config.rungs) - 1)
    if config.trials < need:
        view.say(
            f"note: with eta={config.eta} it takes {need} trials for one to reach epoch {config.epochs} "
            f"(trials={need}, or fewer epochs)"
        )
    if dashboard:
        view.say(f"Ray dashboard: {dashboard} (token: ray get-auth-token)")
    view.say(f"trials in the browser: python -m search dashboard {short(folder)}")


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """In the block a SIGTERM raises KeyboardInterrupt, as Ctrl-C does: finished work is kept."""

    def interrupt(signum: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
