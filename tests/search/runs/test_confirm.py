"""Confirmation: its candidates, seeds, jobs and rows, on formulas in place of training."""

import io
from dataclasses import replace

import pyarrow as pa
import pytest
from rich.console import Console

from results.stats import confirmation
from results.store import open_run
from search.cli.tables import conclusions
from search.core.job import DEFAULT, State, Trial, trial_seed
from search.engines.local import LocalEngine
from search.runs.confirm import ConfirmPlan, ConfirmQueue, candidates, confirmation_seeds, jobs
from search.watch.progress import ProgressView
from tests.formula import Formula


def trial(number, x, kind, *values, state=State.STOPPED):
    return Trial(number, {"x": x, "kind": kind}, state, values)


def test_the_best_trials_and_the_default_are_candidates(formula_space):
    """The default of the space is x=0.5, kind=a."""
    trials = [
        trial(0, 0.1, "a", 0.9, 0.4),
        trial(1, 0.2, "a", 0.3),
        trial(2, 0.2, "a", 0.31),  # the same configuration
        trial(3, 0.4, "b", 0.35),
        trial(4, 0.6, "b", 0.1, state=State.DIVERGED),
        trial(5, 0.7, "b", state=State.FAILED),
    ]
    chosen = candidates(trials, formula_space, top=2)
    assert [(c.config, c.number) for c in chosen] == [("trial 1", 1), ("trial 3", 3), ("default", DEFAULT)]
    assert chosen[2].params == {"x": 0.5, "kind": "a"}
    with_default = [*trials, trial(6, 0.5, "a", 0.8)]
    assert [(c.config, c.number) for c in candidates(with_default, formula_space, top=1)] == [
        ("trial 1", 1),
        ("default", 6),
    ]
    default_best = [*trials, trial(6, 0.5, "a", 0.2)]
    assert [c.config for c in candidates(default_best, formula_space, top=2)] == ["default", "trial 1"]
    maximized = replace(formula_space, objective=replace(formula_space.objective, mode="max"))
    assert [c.config for c in candidates(trials, maximized, top=2)][:2] == ["trial 0", "trial 3"]
    with pytest.raises(ValueError, match="no trial has a value"):
        candidates(trials[4:], formula_space, top=2)


def test_seeds_are_new_and_reproducible():
    seeds = confirmation_seeds(0, 5)
    assert seeds == confirmation_seeds(0, 5)
    assert seeds[:3] == confirmation_seeds(0, 3)
    used = {0, 1} | {trial_seed(0, number) for number in range(1000)}
    assert len(set(seeds) | set(confirmation_seeds(1, 5)) | used) == 1012


@pytest.fixture
def plan(formula_space):
    """Trials 1 to 4, with x from 0.1 to 0.4, and the default, on two seeds."""
    trials = [trial(n, 0.1 * n, "ab"[n % 2], 0.1 * n) for n in range(1, 5)]
    return ConfirmPlan(candidates(trials, formula_space, top=4), confirmation_seeds(0, 2), epochs=3)


def test_a_job_has_candidates_of_equal_structure_on_one_seed(plan):
    packs = jobs(plan, ["kind"], done=set())
    assert [[lane.number for lane in job.lanes] for job in packs] == [[1, 3], [2, 4, DEFAULT]] * 2
    assert [job.confirm_seed for job in packs] == [seed for seed in plan.seeds for _ in range(2)]
    assert all({lane.seed for lane in job.lanes} == {job.confirm_seed} for job in packs)
    assert all((job.first, job.last) == (0, 3) for job in packs)
    assert len({job.number for job in packs}) == 4
    assert [len(job.lanes) for job in jobs(replace(plan, lanes=1), ["kind"], set())] == [1] * 10
    for_many_workers = jobs(replace(plan, workers=8), ["kind"], set())
    assert max(len(job.lanes) for job in for_many_workers) == 2  # 10 trainings, 8 workers
    done = {("trial 1", plan.seeds[0]), ("trial 3", plan.seeds[0]), ("default", plan.seeds[1])}
    left = jobs(plan, ["kind"], done)
    assert [[lane.number for lane in job.lanes] for job in left] == [[2, 4, DEFAULT], [1, 3], [2, 4]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    return tmp_path


def make_queue(plan, space, folder, terminal=False):
    """A queue for the plan, and the text that it prints."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    return ConfirmQueue(plan, space, folder, ProgressView(console, "a run", workers=1)), out


class Recorded:
    """A formula that records its trainings, and is interrupted after a number of jobs."""

    def __init__(self, formula, interrupt_after=99):
        self.formula, self.left, self.trainings = formula, interrupt_after, []

    def __call__(self, job):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.trainings += [(lane.number, lane.seed) for lane in job.lanes]
        yield from self.formula(job)


def test_confirmed_trainings_are_not_repeated(plan, formula_space, folder):
    first, second, third = Recorded(Formula(), interrupt_after=3), Recorded(Formula()), Recorded(Formula())
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(first).run(make_queue(plan, formula_space, folder)[0])
    assert open_run(folder).confirmed.num_rows == 7
    LocalEngine(second).run(make_queue(plan, formula_space, folder)[0])
    all_trainings = [(c.number, seed) for seed in plan.seeds for c in plan.candidates]
    assert sorted(first.trainings + second.trainings) == sorted(all_trainings)
    assert open_run(folder).confirmed.num_rows == 10
    LocalEngine(third).run(make_queue(plan, formula_space, folder)[0])
    assert not third.trainings
    fourth, seeds = Recorded(Formula()), confirmation_seeds(0, 3)
    LocalEngine(fourth).run(make_queue(replace(plan, seeds=seeds), formula_space, folder)[0])
    assert {seed for _, seed in fourth.trainings} == {seeds[2]}
    assert open_run(folder).confirmed.num_rows == 15


def test_failed_and_diverged_trainings_are_reported(plan, formula_space, folder):
    """Trial 4 (x=0.4) fails; the default (x=0.5) fails, and later diverges."""
    queue, out = make_queue(plan, formula_space, folder)
    LocalEngine(Formula(diverges=0.45, raises=0.35)).run(queue)
    rows = {(row["config"], row["seed"]): row for row in open_run(folder).confirmed.to_pylist()}
    states = {config: {rows[config, seed]["state"] for seed in plan.seeds} for config, _ in rows}
    # The pack of trial 2, trial 4 and the default failed, and each of them was tried again alone.
    assert states == {
        "trial 1": {"complete"},
        "trial 2": {"complete"},
        "trial 3": {"complete"},
        "trial 4": {"failed"},
        "default": {"failed"},
    }
    assert rows["trial 4", plan.seeds[0]]["error"].startswith("RuntimeError: x is too large")
    assert "trial 4, seed 1 of 2: RuntimeError: x is too large for this formula" in out.getvalue()
    again = Recorded(Formula(diverges=0.45))
    queue, out = make_queue(plan, formula_space, folder)
    LocalEngine(again).run(queue)
    assert {number for number, _ in again.trainings} == {4, DEFAULT}  # failed trainings are tried again
    rows = {(row["config"], row["seed"]): row for row in open_run(folder).confirmed.to_pylist()}
    row = rows["default", plan.seeds[0]]
    assert (row["state"], row["test"], row["checkpoint"]) == ("diverged", None, None)
    assert row["error"] == "diverged in epoch 1"
    assert "default, seed 1 of 2: diverged in epoch 1" in out.getvalue()
    queue, _ = make_queue(plan, formula_space, folder)
    assert not queue.waiting  # diverged trainings are not tried again


def test_jobs_that_lose_their_memory_to_others_do_not_end_a_confirmation(plan, formula_space, folder):
    """Eight jobs on a GPU may all run out of it; workers that die are another thing."""
    queue, _ = make_queue(plan, formula_space, folder)
    for _ in range(8):
        queue.lose(queue.next_job(), "OutOfMemory: tried to allocate 2 GiB")
    LocalEngine(Formula()).run(queue)
    assert open_run(folder).confirmed.num_rows == 10


def test_the_panel_shows_the_progress(plan, formula_space, folder, monkeypatch):
    monkeypatch.setattr("search.watch.progress.PANEL_INTERVAL", -1.0)
    queue, out = make_queue(plan, formula_space, folder, terminal=True)
    with queue.view:
        LocalEngine(Formula()).run(queue)
    shown = out.getvalue()
    assert "5 of 10 trainings" in shown
    assert "15 of about 30" in shown
    assert "1 of 1 busy: trials 2, 4, default epochs 0-3" in shown
    assert "trial 1, seed 2 of 2: val/f" in shown


def test_the_conclusions_state_their_uncertainty():
    def conclusion(**scores):
        """The conclusions from the scores of each configuration on seeds 0, 1 ..."""
        rows = [
            {
                "config": config.replace("_", " "),
                "trial": None,
                "seed": seed,
                "val": x,
                "test": x,
                "error": None,
            }
            for config, tests in scores.items()
            for seed, x in enumerate(tests)
        ]
        return " | ".join(conclusions(confirmation(pa.Table.from_pylist(rows), "max", {})))

    first = [0.90, 0.92, 0.94]
    assert "can't be told apart" in conclusion(trial_1=first, trial_2=[0.89, 0.90, 0.93])
    assert "can't be told apart" not in conclusion(trial_1=first, trial_2=[0.80, 0.82, 0.841])
    assert "with one seed the uncertainty is unknown" in conclusion(trial_1=[0.9], trial_2=[0.8])
    assert "better than the default by 0.1" in conclusion(trial_1=[0.9], trial_2=[0.85], default=[0.8])
