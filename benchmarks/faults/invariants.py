"""What holds for the folder of a run after any fault, from its files alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors import safe_open

from results.store import open_run
from search.core.job import State, Trial
from search.core.study import Study
from search.runs.folder import read_config

KEEPING = (State.PAUSED, State.COMPLETE)  # states in which a trial needs its checkpoint
KNOWN = {
    "config.yaml",
    "study.log",
    "run.lock",
    "run.log",
    "environment.json",
    "report.html",
    "warm_start.json",
}
TABLES = {"trials.parquet", "rungs.parquet", "facts.json", "stop.json"}


@final
@dataclass(frozen=True)
class Seen:
    """What a reader of the tables has seen: values by trial and rung, and by trial and epoch."""

    rungs: dict[tuple[int, int], float]
    epochs: dict[tuple[int, int], float]


def seen(folder: Path) -> Seen:
    """The tables of a run; of a folder that is no run yet, nothing."""
    if not (folder / "config.yaml").exists():
        return Seen({}, {})
    run = open_run(folder)
    metric = run.objective["metric"]
    return Seen(
        {(row["trial"], row["rung"]): row["value"] for row in run.rungs.to_pylist()},
        {(row["trial"], row["epoch"]): row.get(metric) for row in run.epochs.to_pylist()},
    )


def trials(folder: Path) -> list[Trial]:
    """The trials in the journal of a run that is not running."""
    journal = folder / "study.log"
    if not (folder / "config.yaml").exists() or not journal.exists() or not journal.stat().st_size:
        return []
    config = read_config(open_run(folder))
    return Study(journal, config.space, config.rungs).trials()


def violations(folder: Path, before: Seen, *, ended: bool) -> Iterator[str]:
    """What is wrong with a run that is not running; `before` is what a reader had seen earlier.

    After the `ended` search the tables are equal to the journal and no file is left over; before, the tables
    may lag behind.
    """
    own = trials(folder)
    if not own:
        if before.rungs:
            yield "the journal is gone"
        return
    config = read_config(open_run(folder))
    study = Study(folder / "study.log", config.space, config.rungs, writable=False)
    if [trial.number for trial in own] != list(range(len(own))):
        yield "trials are missing or double"
    yield from wrong_states(own, config.rungs, ended=ended)
    journal = {(row["trial"], row["epoch"]): row for row in study.epoch_rows()}
    if len(journal) != len(study.epoch_rows()):
        yield "an epoch is there twice"
    for trial in own:
        epochs = sorted(epoch for number, epoch in journal if number == trial.number)
        if epochs != list(range(1, trial.epochs + 1)):
            yield f"trial {trial.number} has epochs {epochs}, not {trial.epochs}"
    values = {(row["trial"], row["rung"]): row["value"] for row in study.rung_rows()}
    now = seen(folder)
    for name, known, later in (
        ("before", before.rungs, values),
        ("in the table", now.rungs, values),
        ("before", before.epochs, dict.fromkeys(journal)),
        ("in the table", now.epochs, dict.fromkeys(journal)),
    ):
        if lost := set(known) - set(later):
            yield f"seen {name}, but not in the journal: {sorted(lost)[:3]}"
    for key, value in {**before.rungs, **now.rungs}.items():
        if values.get(key, value) != value:
            yield f"trial and rung {key} had the value {value}, and have {values[key]}"
    yield from missing_checkpoints(folder, own)
    if ended:
        if now.rungs != values or set(now.epochs) != set(journal):
            yield "the tables lack what the journal has"
        rows = {row["trial"]: (row["state"], row["epochs"]) for row in open_run(folder).trials.to_pylist()}
        if rows != {trial.number: (trial.state.value, trial.epochs) for trial in own}:
            yield "the table of trials differs from the journal"
        yield from left_over(folder, own)


def wrong_states(own: list[Trial], rungs: tuple[int, ...], *, ended: bool) -> Iterator[str]:
    """Trials whose state contradicts their results."""
    for trial in own:
        last = len(trial.values) == len(rungs)
        legal = {State.COMPLETE} if last else {State.STOPPED, State.DIVERGED, State.FAILED}
        if not (trial.state in legal or (trial.state is State.PAUSED and not last and not ended)):
            yield f"trial {trial.number} is {trial.state} with {len(trial.values)} of {len(rungs)} rungs"


def missing_checkpoints(folder: Path, own: list[Trial]) -> Iterator[str]:
    """Checkpoints that a trial needs and that can't be loaded."""
    for trial in own:
        if trial.state in KEEPING and trial.checkpoint:
            try:
                with safe_open(folder / trial.checkpoint, framework="np") as file:
                    lanes = {key.partition("/")[0] for key in file.keys()}  # noqa: SIM118
                if str(trial.number) not in lanes:
                    yield f"{trial.checkpoint} has no lane of trial {trial.number}"
            except Exception as error:
                yield f"{trial.checkpoint} of trial {trial.number}: {error}"


def left_over(folder: Path, own: list[Trial]) -> Iterator[str]:
    """Files that belong to nothing."""
    used: set[Any] = {trial.checkpoint for trial in own}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        known = name in KNOWN or name in used or path.name in TABLES or name == "results/epochs/00000.parquet"
        if path.is_file() and not known:
            yield f"{name} is left over"
