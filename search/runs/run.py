"""A run from start to end: check, make the folder, search, say what came of it."""

import logging
import signal
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from results import environment
from results.store import Run, open_run
from search.after.report_process import ReportProcess
from search.config.fidelity import stages
from search.config.run_config import RunConfig, check_logger
from search.core.job import Trial
from search.core.queue import Plan, Queue
from search.core.study import Study
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs import warm_start as warm
from search.runs.confirm import confirm_winners, unconfirmed, with_value
from search.runs.folder import find, locked, new_folder, read_config, short, write_config
from search.runs.recorder import Recorder, Watcher
from search.runs.warm_start import warm_start
from search.watch.capture import CapturedOutput, capture_output
from search.watch.progress import ProgressView
from search.watch.prometheus import Gauges
from trainables import import_path

logger = logging.getLogger(__name__)
Work = Callable[[Any, RunConfig, Path, ProgressView], None]  # with an engine and the run's folder
CONFIRM_TOP = 3


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    folder: Path
    interrupted: bool = False
    unwritable: str | None = None  # why the folder can't be written, if that ended it


def start(config: RunConfig, reporter: ReportProcess | None = None) -> Outcome:
    """Makes a new run and searches. Raises ValueError, with nothing written, if it can't be begun.

    With a `reporter` its report is begun while the engine closes; so with the two below.
    """
    config, notes = prepared(config)
    if config.confirm_top:
        check_test(config)
    folder = new_folder(config)
    if config.warm_start:
        notes += warm_notes(warm_start(find(config.warm_start, config.storage), config))
    with capture_output() as noise:
        return at_work(run_dry, config, folder, noise, notes, new=True, reporter=reporter)


def resume(folder: Path, reporter: ReportProcess | None = None) -> Outcome:
    """Goes on with a run that was broken off, in its search or in the confirmation that was to follow.

    Raises ValueError if there is nothing to go on with.
    """
    run = idle(folder)
    if run.status == "finished":
        config = read_config(run)
        if config.confirm_top and unconfirmed(config, folder, trials_of(config, folder)):
            return confirm(folder, reporter=reporter)
        raise ValueError(f"{folder} is finished; look at it with: python -m search show {folder}")
    config, notes = as_it_was(run)
    with capture_output() as noise:
        return at_work(run_dry, config, folder, noise, notes, new=False, reporter=reporter)


def confirm(
    folder: Path, top: int | None = None, seeds: int | None = None, *, reporter: ReportProcess | None = None
) -> Outcome:
    """Trains a run's `top` trials and its default anew on fresh seeds, and scores them on the test split.

    Without them, `top` and `seeds` are the run's own, or 3 and 5. What is confirmed already is not trained
    again. Raises ValueError if there is nothing to confirm.
    """
    run = idle(folder)
    config, notes = as_it_was(run)
    check_test(config)
    if run.status == "interrupted":
        notes.append("the search is not finished; these are the best so far")
    top = top or config.confirm_top or CONFIRM_TOP
    config = replace(config, confirm_top=top, confirm_seeds=seeds or config.confirm_seeds)
    trials = trials_of(config, folder)
    if not unconfirmed(config, folder, trials):
        return Outcome(folder)

    def work(engine: Any, config: RunConfig, folder: Path, view: ProgressView) -> None:
        confirm_winners(engine, config, folder, view, trials)

    with capture_output() as noise:
        return at_work(work, config, folder, noise, notes, new=False, reporter=reporter)


def idle(folder: Path) -> Run:
    """The run in the folder. Raises ValueError if it is being searched now."""
    run = open_run(folder)
    if run.status == "running":
        raise ValueError(f"{folder} is being searched by another process; wait for it or stop it")
    return run


def trials_of(config: RunConfig, folder: Path) -> list[Trial]:
    """The trials in the journal of a run that is not being searched. Raises ValueError if it is."""
    with locked(folder):
        return Study(folder / "study.log", config.space, config.rungs).trials()


def check_test(config: RunConfig) -> None:
    """Raises ValueError if the data has no test split."""
    from trainables.training.evaluate import has_test  # here, for it loads PyTorch

    if not has_test(import_path.load(config.space.data)):
        raise ValueError(f"{config.space.data} has no test_dataloader, so winners can't be confirmed with it")


def as_it_was(run: Run) -> tuple[RunConfig, list[str]]:
    """A run's configuration, and what is to be noted of its data. Raises ValueError if that has changed."""
    config = read_config(run)
    now, notes = prepared(config)
    was, new = (c.space.options.get("content") for c in (config, now))
    if was != new:
        raise ValueError(f"the data of {run.path} has changed since the run began; begin a new run with it")
    return now, notes


def prepared(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """The configuration with its data checked and named by content, and what is to be noted of the data.

    Raises ValueError.
    """
    check_logger(config.logger)
    space = config.space
    for path in (space.trainable, space.data):
        import_path.find(path)
    if space.trainer:
        from trainables.training.trainer_options import check  # here, for it loads PyTorch

        check(space.trainable, space.trainer)
    if space.prepare is None:
        return config, []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = import_path.load(space.prepare)({**space.settings, **space.options, "seed": config.seed})
    notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return replace(config, space=replace(space, options={**space.options, **found})), notes


def at_work(
    work: Work,
    config: RunConfig,
    folder: Path,
    noise: CapturedOutput,
    notes: Sequence[str],
    *,
    new: bool,
    reporter: ReportProcess | None,
) -> Outcome:
    """Does the work on the engine that the configuration names, in the folder, in view."""
    if reporter:
        reporter.load()
    engine = make_engine(config, train_job(config, folder))
    try:
        if new:
            folder.mkdir(parents=True)
            write_config(folder, config)
        environment.record(folder)
        noise.keep(folder / "run.log")
        # After the engine, for Ray has a SIGTERM handler of its own.
        title = f"{folder.name}: {config.space.about or config.space.name}"
        with interruptible(), locked(folder), ProgressView(noise.console, title, engine.workers) as view:
            view.say(title)
            for note in notes:
                view.say(f"note: {note}")
            work(engine, config, folder, view)
        if reporter:
            reporter.begin(folder)
        return Outcome(folder)
    except KeyboardInterrupt:
        return Outcome(folder, interrupted=True)
    except OSError as error:
        logger.exception("the run's folder can't be written")
        return Outcome(folder, unwritable=str(error))
    finally:
        engine.close()


def run_dry(engine: Any, config: RunConfig, folder: Path, view: ProgressView) -> None:
    """Runs the folder's queue on the engine, and confirms what it found if that is asked for."""
    plan = Plan(
        trials=config.trials,
        rungs=config.rungs,
        eta=config.eta,
        seed=config.seed,
        sampler=config.sampler,
        lanes=None if config.lanes == "auto" else int(config.lanes),
        workers=engine.workers,
        init_seed=config.init_seed,
    )
    if config.warm_start and not (folder / warm.FILE).exists():
        warm.write(folder, warm_start(find(config.warm_start, config.storage), config))
    study = Study(folder / "study.log", config.space, config.rungs)
    queue = Queue(config.space, plan, study, warm.read(folder))
    announce(view, config, folder, engine.dashboard)
    recorder = Recorder(queue, folder, view, watchers(engine, config, folder, queue, view))
    try:
        engine.run(recorder)
    finally:
        recorder.end()
    if config.confirm_top and with_value(queue.trials.values()):
        confirm_winners(engine, config, folder, view, list(queue.trials.values()))


def warm_notes(known: warm.Warm) -> list[str]:
    """What is said of an earlier run that a search begins with."""
    seen = f"{len(known.observations)} of its trials are known to the sampler"
    if known.why_not:
        seen = f"its values are not compared with these, because the {known.why_not} differ"
    return [f"{len(known.points)} trials of the earlier run come first; {seen}"]


def watchers(engine: Any, config: RunConfig, folder: Path, queue: Queue, view: ProgressView) -> list[Watcher]:
    """Who is told of the search beside the tables and the view. Raises ValueError for a logger's failure."""
    found: list[Watcher] = []
    if engine.publish is not None:
        found.append(Gauges(engine.publish, folder.name))
    if config.logger != "none":
        found.append(registry.begin(config, folder, queue, view.say))
    return found


def make_engine(config: RunConfig, train: TrainJob) -> Any:
    """The engine that the configuration names. Ray is imported only where it is asked for."""
    if config.engine == "local":
        return LocalEngine(train)
    from search.engines.ray_tune import RayEngine

    return RayEngine(
        train,
        name=config.space.name,
        cpus_per_job=config.cpus_per_job,
        gpus_per_job=config.gpus_per_job,
    )


def train_job(config: RunConfig, folder: Path) -> TrainJob:
    """What trains the jobs of a run."""
    return TrainJob(str(folder), setup(config), stages(config.fidelity, config.rungs, config.space.options))


def setup(config: RunConfig) -> Mapping[str, Any]:
    """The fields of trainables.training.train.Setup."""
    space = config.space
    return {
        "trainable": space.trainable,
        "data": space.data,
        "options": {**space.settings, **space.options},
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": space.objective.metric,
        "mode": space.objective.mode,
        "trainer": dict(space.trainer),
    }


def announce(view: ProgressView, config: RunConfig, folder: Path, dashboard: str | None) -> None:
    """What is about to happen, and where to watch it."""
    rungs = ", ".join(map(str, config.rungs))
    view.say(f"{config.trials} trials, rungs at epochs {rungs}, {view.workers} at a time, in {short(folder)}")
    if config.trials < config.eta ** (len(config.rungs) - 1):
        need = config.eta ** (len(config.rungs) - 1)
        view.say(
            f"note: with eta={config.eta} it takes {need} trials for one to reach epoch {config.epochs} "
            f"(trials={need}, or fewer epochs)"
        )
    if dashboard:
        view.say(f"Ray dashboard: {dashboard} (token: ray get-auth-token)")
    view.say(f"trials in the browser: python -m search dashboard {short(folder)}")


@contextmanager
def interruptible() -> Iterator[None]:
    """A SIGTERM ends the block as a Ctrl-C does: what is finished is kept."""

    def interrupt(signum: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
