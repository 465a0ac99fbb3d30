"""A search with higher rungs than before that is killed between any two entries of its journal."""

import shutil
from dataclasses import replace

import pytest

from search.core.job import State
from search.core.study import Study
from search.engines.local import LocalEngine
from tests.formula import Formula

KNOWN = ({"x": 0.31, "kind": "a"}, {"x": 0.32, "kind": "b"}, {"x": 0.29, "kind": "a"})
SEARCH = {"trials": 15, "epochs": 9, "sampler": "ladder", "known": KNOWN}


def alike(trials):
    return [replace(trial, seconds=0.0, checkpoint=None) for trial in trials.values()]


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_grown_search_ends_alike_wherever_it_is_killed(make_queue, tmp_path, formula_space, lanes):
    short = make_queue(**SEARCH | {"epochs": 3}, lanes=lanes)
    LocalEngine(Formula()).run(short)
    journal = tmp_path / "study.log"
    before = len(journal.read_bytes().splitlines())
    assert Study(journal, formula_space, (1, 3), writable=False).trials() == list(short.trials.values())
    whole = make_queue(**SEARCH | {"trials": 18}, lanes=lanes)
    LocalEngine(Formula()).run(whole)
    complete = [trial.number for trial in whole.trials.values() if trial.state is State.COMPLETE]
    assert any(trial < 15 for trial in complete)
    lines = journal.read_bytes().splitlines(keepends=True)
    for count in range(before, len(lines)):
        (tmp_path / f"killed-{count}.log").write_bytes(
            b"".join(lines[:count]) + lines[count][: len(lines[count]) // 2]
        )
        again = make_queue(**SEARCH | {"trials": 18}, lanes=lanes, name=f"killed-{count}")
        LocalEngine(Formula()).run(again)
        assert alike(again.trials) == alike(whole.trials), f"after {count} of {len(lines)} entries"
    values = {trial.number: trial.values for trial in whole.trials.values()}
    told = {row["trial"]: row["value"] for row in whole.study.rung_rows()}  # the last one of each trial
    assert told == {number: own[-1] for number, own in values.items()}


def test_a_trial_that_goes_on_may_diverge_or_fail(make_queue, tmp_path):
    queue = make_queue(trials=6, epochs=3)
    LocalEngine(Formula()).run(queue)
    last = {"epochs": 9, "trials": 6}
    for name, formula, state in (
        ("a", Formula(diverges=-1.0), State.DIVERGED),
        ("b", Formula(raises=-1.0), State.FAILED),
    ):
        shutil.copy(tmp_path / "study.log", tmp_path / f"{name}.log")
        grown = make_queue(**last, name=name)
        LocalEngine(formula).run(grown)
        assert state in {trial.state for trial in grown.trials.values()}
        assert make_queue(**last, name=name).trials == grown.trials
