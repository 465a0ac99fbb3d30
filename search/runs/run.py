"""A run from start to end: check, make the folder, search, confirm, close."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from results import environment, text
from results.store import Run
from search.config.run_config import RunConfig
from search.core.job import State, Trial
from search.core.queue import Plan, Queue
from search.core.rungs import UNLIMITED, reaching
from search.engines.base import Engine
from search.engines.registry import make_engine
from search.engines.train_job import TrainJob
from search.runs import warm_start
from search.runs.confirm import confirm_trials, has_value, jobs_left
from search.runs.enlarge import enlarge, stop_without_checkpoint
from search.runs.find import find, open_whole
from search.runs.folder import address, locked, new_folder, read_config, sweep_run, write_config
from search.runs.in_order import InOrder
from search.runs.interrupts import interruptible
from search.runs.journal import check_journal, open_study
from search.runs.lease import check_free, leased
from search.runs.mirror import Mirror
from search.runs.preflight import check_test_split, prepare, prepare_again
from search.runs.recorder import Recorder
from search.runs.sources import write_sources
from search.watch.capture import capture_output
from search.watch.output import Output
from search.watch.progress import ProgressView
from search.watch.prometheus import Gauges
from search.watch.watcher import Watcher
from spaces.lane import EngineError

logger = logging.getLogger(__name__)
AtEnd = Callable[[Path], object]
"""Called with the folder of a run when its work is done, while the engine closes: begins the report."""
Screen = Callable[[], AbstractContextManager[Output]]
"""Opens the output of a run: `capture_output`, where the process is the run's, or `shared_output`."""
Work = Callable[[Engine, RunConfig, Path, ProgressView], None]
LAST_WORDS = "{}; what was finished is kept.\ngo on with: python -m search resume {}\n"
CONFIRM_TOP = 3  # trials to confirm unless told otherwise


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    interrupted: bool = False
    error: str | None = None  # what ended the run early, though no trial is at fault


def start(config: RunConfig, at_end: AtEnd | None = None, screen: Screen = capture_output) -> Outcome:
    """Makes a new run and searches.

    Raises ValueError, with nothing written, for what `prepare` refuses, a storage that cannot be written, a
    name in use, and a confirmation without a test split.
    """
    config, notes = prepare(config)
    if config.confirm_top:
        check_test_split(config)
    if config.warm_start:
        earlier = warm_start.warm_start(find(config.warm_start, config.storage), config)
        notes.append(warm_start.note(earlier))
    folder = new_folder(config)
    with screen() as output:
        return carry_out(search, config, folder, output, notes, new=True, at_end=at_end)


def resume(
    folder: Path,
    at_end: AtEnd | None = None,
    screen: Screen = capture_output,
    *,
    trials: int | None = None,
    epochs: int | None = None,
    time: float | None = None,
) -> Outcome:
    """Continues a run that was interrupted, in its search or in the confirmation after it.

    With more `trials`, `epochs` or seconds of `time` than before, also a finished run goes on. Raises
    ValueError if the run is finished, is running, cannot continue (see `prepare_again`), or cannot grow so
    (see `enlarge`).
    """
    check_free(folder)
    run = open_idle(folder)
    check_journal(run, config := read_config(run))
    size = config.trials, config.epochs, config.time
    grows = (trials or config.trials, epochs or config.epochs, time or config.time) != size
    if not grows and run.status == "finished" and not has_open_trial(config, folder):
        if config.confirm_top and jobs_left(config, folder, trials_of(config, folder)):
            return confirm(folder, at_end, screen)
        name = address(folder)
        raise ValueError(f"{name} is finished; look at it with: python -m search show {name}")
    config, notes = prepare_again(run)
    if grows:
        config, more = enlarge(folder, config, trials, epochs, time)
        notes += more
    with screen() as output:
        return carry_out(search, config, folder, output, notes, new=False, at_end=at_end)


def confirm(
    folder: Path,
    at_end: AtEnd | None = None,
    screen: Screen = capture_output,
    *,
    top: int | None = None,
    seeds: int | None = None,
) -> Outcome:
    """Retrains the `top` trials of a run and its default on `seeds` new seeds; scores them on the test split.

    `top` and `seeds` default to the run's own numbers, else 3 and 5. Finished trainings are not repeated.
    Raises ValueError if no trial has a value, the test split is missing or can't be scored, the run is
    running, or it cannot continue (see `prepare_again`).
    """
    check_free(folder)
    run = open_idle(folder)
    check_journal(run, read_config(run))
    config, notes = prepare_again(run)
    if run.status == "interrupted":
        notes.append("the search is not finished; these are the best so far")
    top = top or config.confirm_top or CONFIRM_TOP
    config = replace(config, confirm_top=top, confirm_seeds=seeds or config.confirm_seeds)
    trials = trials_of(config, folder)
    if not jobs_left(config, folder, trials):
        return Outcome(folder)
    check_test_split(config)

    def work(engine: Engine, config: RunConfig, folder: Path, view: ProgressView) -> None:
        confirm_trials(engine, config, folder, view, trials)

    with screen() as output:
        return carry_out(work, config, folder, output, notes, new=False, at_end=at_end)


def open_idle(folder: Path) -> Run:
    """The run in the folder. Raises ValueError if it is running."""
    run = open_whole(folder)
    if run.status == "running":
        raise ValueError(f"{address(folder)} is being searched by another process; wait for it or stop it")
    return run


def trials_of(config: RunConfig, folder: Path) -> list[Trial]:
    """The trials of a run that is not running. Raises ValueError if it is."""
    with locked(folder):
        return open_study(folder, config).trials()


def has_open_trial(config: RunConfig, folder: Path) -> bool:
    """Whether a trial waits in the journal, which a kill may have left ahead of the tables."""
    trials = open_study(folder, config, writable=False).trials()
    return any(trial.state is State.PAUSED for trial in trials)


def carry_out(
    work: Work,
    config: RunConfig,
    folder: Path,
    output: Output,
    notes: Sequence[str],
    *,
    new: bool,
    at_end: AtEnd | None,
) -> Outcome:
    """Does the work on the configured engine, in the locked folder, with a view of its progress."""

    def abandon(cause: str) -> None:
        os.write(output.terminal, LAST_WORDS.format(f"error: {cause}", address(folder)).encode())

    try:
        engine = make_engine(config, TrainJob.of(config, folder), abandon, shows_output=output.owns_process)
    except BaseException:
        if new:
            folder.rmdir()
        raise
    try:
        # After the engine, for Ray installs a SIGTERM handler of its own.
        last_words = LAST_WORDS.format("ended at once", address(folder))
        signals = interruptible(last_words, output.terminal) if output.owns_process else nullcontext()
        with signals, closing(engine):
            with locked(folder), leased(folder), copied(folder):
                if new:
                    write_config(folder, config)
                    write_sources(folder, config)
                sweep_run(folder)
                environment.record(folder)
                output.keep(folder / "run.log")
                title = f"{folder.name}: {config.space.about or config.space.name}"
                with ProgressView(output.console, title, engine.workers) as view:
                    view.say(title)
                    for note in notes:
                        view.say(f"note: {note}")
                    work(engine, config, folder, view)
            if at_end:
                at_end(folder)
        return Outcome(folder)
    except KeyboardInterrupt:
        return Outcome(folder, interrupted=True)
    except EngineError as error:
        return Outcome(folder, error=str(error))
    except OSError as error:
        logger.exception("the run's folder can't be written")
        return Outcome(folder, error=str(error))


@contextmanager
def copied(folder: Path) -> Iterator[None]:
    """At the end of the block, the remote copy of the run is complete."""
    try:
        yield
    finally:
        Mirror(folder).copy()


def search(
    engine: Engine, config: RunConfig, folder: Path, view: ProgressView, only: int | None = None
) -> None:
    """Runs the queue of the folder on the engine, then the confirmation if one is configured.

    With `only`, that trial is trained to the last rung, and nothing else is done.
    """
    if config.warm_start and not (folder / warm_start.FILE).exists():
        earlier = find(config.warm_start, config.storage)
        warm_start.write(folder, warm_start.warm_start(earlier, config))
    plan = replace(make_plan(config, warm_start.read(folder), engine.workers), only=only)
    queue = Queue(config.space, plan, open_study(folder, config))
    if only is None:
        announce(view, config, folder, engine.dashboard)
        for number in stop_without_checkpoint(queue, config, folder):
            view.say(f"note: trial {number} does not go on, for its checkpoint is deleted")
    recorder = Recorder(queue, folder, view, watchers(engine, config, folder, queue, view), config.disk)
    try:
        engine.run(InOrder(recorder, engine.workers) if config.deterministic else recorder)
    finally:
        recorder.end()
    if only is None and config.confirm_top and has_value(queue.trials.values()):
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
        lanes=config.pack,
        workers=workers,
        init_seed=config.init_seed,
        timeout=None if config.job_timeout == "auto" else float(config.job_timeout),
        known=(*earlier.points, *(point for point in own if point not in earlier.points)),
        observations=earlier.observations,
        min_gain=config.min_gain if config.stop else None,
        time=config.time,
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
    size = "as many trials as begin" if config.trials == UNLIMITED else f"{config.trials} trials"
    size += f" in {text.duration(config.time)}" if config.time else ""
    size += f", rungs at epochs {rungs}, {view.workers} at a time"
    view.say(f"{size}, in {address(folder)}")
    need = config.eta ** (len(config.rungs) - 1)
    if not config.grown_from and not reaching(config.trials, config.rungs, config.eta):
        view.say(
            f"note: with eta={config.eta} it takes {need} trials for one to reach epoch {config.epochs} "
            f"(trials={need}, or fewer epochs)"
        )
    if dashboard:
        view.say(f"Ray dashboard: {dashboard} (token: ray get-auth-token)")
    view.say(f"live report: python -m search dashboard {address(folder)}")
