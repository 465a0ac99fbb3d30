"""Opens the journal of a run; what is damaged in it becomes one line.

Optuna's reader raises whatever its code meets, and passes over a last line that is no JSON. A search that
went on behind such a line could not be read any more.
"""

import json
from pathlib import Path

from results.damage import DamagedFile
from results.facts import end_of
from results.store import Run
from search.config.run_config import RunConfig
from search.core.job import Trial
from search.core.study import Study
from spaces.params import Choice

FILE = "study.log"
ADVICE = "it is the state of the search, so restore it from a copy; results/ still has the tables"


def open_study(folder: Path, config: RunConfig, *, writable: bool = True) -> Study:
    """The study of the run in `folder`. A `writable` one needs its lock.

    Raises DamagedFile if a line is no entry of a journal, or the entries do not fit the configuration.
    """
    path = folder / FILE
    if not writable and not path.exists():
        raise ValueError(f"{folder} has no {FILE} yet, so there is nothing to show; try again")
    if path.exists() and (line := broken_line(path)):
        raise DamagedFile(path, f"line {line} is no JSON", ADVICE)
    try:
        study = Study(path, config.space, config.rungs, writable=writable)
        check(study)
    except OSError:
        raise
    except Exception as error:  # Optuna's reader and ours meet the damage wherever it is
        known = isinstance(error, ValueError) and str(error).startswith(str(path))
        reason = f"its entries do not fit each other or config.yaml ({type(error).__name__}: {error})"
        raise (error if known else DamagedFile(path, reason, ADVICE)) from error
    return study


def check_journal(run: Run, config: RunConfig) -> None:
    """Raises ValueError if the journal is damaged, or lacks trials that the tables have: they would be lost.

    A trial is in the journal before it is in a table, and Optuna passes over entries of an unknown study.
    """
    path, count = run.path / FILE, run.trials.num_rows
    if not path.exists() or not first_line(path):
        if count:
            raise DamagedFile(path, f"it is lost, but the tables have {count} trials", ADVICE)
        return
    found = len(open_study(run.path, config, writable=False).frozen_trials())
    if found < count:
        raise DamagedFile(path, f"it has {found} trials, but the tables have {count}", ADVICE)


def first_line(path: Path) -> bytes:
    """The first whole line of a file; empty if there is none."""
    with open(path, "rb") as file:
        line = file.readline()
    return line if line.endswith(b"\n") else b""


def broken_line(path: Path) -> int | None:
    """The number of the first whole line that is no JSON object; None if there is none."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return None  # half a line, which a killed writer has left
            try:
                if not isinstance(json.loads(line), dict):
                    return number
            except (ValueError, RecursionError):
                return number
    return None


def check(study: Study) -> None:
    """Raises ValueError, TypeError or a LookupError if a study's results are not what a search writes."""
    rung_rows = study.rung_rows()
    reached = {row["trial"]: row["rung"] + 1 for row in sorted(rung_rows, key=lambda row: row["rung"])}
    for trial in study.trials():
        check_trial(trial, study)
        expect(len(trial.values) == reached.get(trial.number, 0), f"trial {trial.number}", trial.values)
    for row in (*rung_rows, *study.epoch_rows()):
        for key, value in row.items():
            if key in ("checkpoint", "device", "node"):
                expect(value is None or isinstance(value, str), key, value)
            else:
                kind = int if key in ("trial", "rung", "epochs", "epoch") else float | int
                expect(isinstance(value, kind) and not isinstance(value, bool), key, value)
    for facts in study.facts().values():
        for name, value in facts.items():
            expect(isinstance(value, float | int), name, value)
    if end := study.early_end():
        end_of(end)


def check_trial(trial: Trial, study: Study) -> None:
    """Raises ValueError if a trial's parameters are not those of the space, or its results no numbers."""
    names = study.space.configuration(lambda name, param, _: trial.params.get(name, param.fallback))
    expect(names.keys() == trial.params.keys(), f"trial {trial.number}", dict(trial.params))
    for name, value in trial.params.items():
        param = study.space.params[name]
        known = value in param if isinstance(param, Choice) else isinstance(value, float | int)
        expect(known, f"{name} of trial {trial.number}", value)
    reached = [index for index, epochs in enumerate(study.rungs) if epochs <= trial.epochs]
    expect(isinstance(trial.epochs, int), "trained", trial.epochs)
    expect(len(trial.values) <= len(reached), f"the values of trial {trial.number}", trial.values)
    for value in (*trial.values, trial.seconds, *(v for metrics in trial.metrics for v in metrics.values())):
        expect(isinstance(value, float | int), f"a result of trial {trial.number}", value)
    expect(all(isinstance(number, int) for number in trial.order), "order", trial.order)
    expect(trial.error is None or isinstance(trial.error, str), "error", trial.error)


def expect(holds: bool, name: str, value: object) -> None:
    """Raises ValueError with the name and the value unless the condition holds."""
    if not holds:
        raise ValueError(f"{name} is {value!r:.80}")
