"""A process that is killed between any two entries of the journal, or in the midst of one."""

from dataclasses import replace

import pytest

from search.core.job import State
from search.core.rungs import milestones
from search.core.study import Study
from search.engines.local import LocalEngine
from tests.formula import Formula

FORMULA = Formula(diverges=0.9, raises=0.95)
KNOWN = ({"x": 0.92, "kind": "a"}, {"x": 0.97, "kind": "b"})  # one diverges, one fails
SEARCH = {"trials": 12, "epochs": 9, "sampler": "ladder", "known": KNOWN}


@pytest.fixture(params=[1, 4])
def lanes(request):
    return request.param


@pytest.fixture
def whole(make_queue, tmp_path, lanes):
    """An uninterrupted search: its trials, and the lines of its journal."""
    queue = make_queue(**SEARCH, lanes=lanes)
    LocalEngine(FORMULA).run(queue)
    states = {trial.state for trial in queue.trials.values()}
    assert states == {State.COMPLETE, State.STOPPED, State.DIVERGED, State.FAILED}
    return queue.trials, (tmp_path / "study.log").read_bytes().splitlines(keepends=True)


def alike(trials):
    """The trials without their packs: one that failed is tried again as a whole after a kill."""
    return [replace(trial, seconds=0.0, checkpoint=None) for trial in trials.values()]


@pytest.mark.slow
def test_a_search_ends_alike_wherever_it_is_killed(whole, lanes, make_queue, tmp_path, formula_space):
    trials, lines = whole
    rungs = milestones(1, 3, 9)
    for count in range(len(lines)):
        killed = tmp_path / f"killed-{count}.log"
        torn = lines[count][: len(lines[count]) // 2] if count % 2 else b""
        killed.write_bytes(b"".join(lines[:count]) + torn)
        if count:
            before = Study(killed, formula_space, rungs)
            for trial in before.trials():
                assert (trial.state is State.COMPLETE) == (trial.epochs == 9)
                rows = [row["epoch"] for row in before.epoch_rows() if row["trial"] == trial.number]
                assert rows == list(range(1, trial.epochs + 1))
        resumed = make_queue(**SEARCH, lanes=lanes, name=f"killed-{count}")
        LocalEngine(FORMULA).run(resumed)
        assert alike(resumed.trials) == alike(trials), f"after {count} of {len(lines)} entries"


def test_optuna_is_told_what_a_kill_kept_from_it(whole, tmp_path, formula_space):
    _, lines = whole
    for count in range(1, len(lines)):
        killed = tmp_path / "killed.log"
        killed.write_bytes(b"".join(lines[:count]))
        reader = Study(killed, formula_space, milestones(1, 3, 9), writable=False)
        known = reader.trials(), reader.rung_rows()
        study = Study(killed, formula_space, milestones(1, 3, 9))
        recent = b"".join(lines[max(0, count - 13) : count])
        if b'"pack"' not in recent and b'"begun"' not in recent:
            assert (study.trials(), study.rung_rows()) == known  # writing adds nothing that readers see
        for trial, frozen in zip(study.trials(), study.frozen_trials(), strict=True):
            assert frozen.state.is_finished() == (trial.state is not State.PAUSED)
            assert tuple(frozen.intermediate_values.values()) == trial.values


def test_a_clock_that_is_set_back_leaves_the_order_of_results(make_queue, monkeypatch):
    queue, now = make_queue(trials=9), iter(range(10**6, 0, -50))
    monkeypatch.setattr("time.time", lambda: next(now))
    LocalEngine(FORMULA).run(queue)
    rows = queue.study.rung_rows()
    orders = [queue.trials[row["trial"]].order[row["rung"]] for row in rows]
    assert orders == sorted(orders)
    times = [row["finished_at"] for row in rows]
    assert times == sorted(times) and times[0] >= 0
