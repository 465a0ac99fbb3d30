"""The importance of the parameters of a run, and its place in the report."""

from dataclasses import replace

import numpy as np
import pytest

from results.parameters import Importance
from results.report.render import Extras, render
from search.after.importance import estimate, history, importance
from search.after.report import make
from search.core.history import Observation
from search.runs.folder import read_config
from tests.history import RUNGS, SPACE
from tests.history import history as random_trials
from tests.results.made import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return make_run(tmp_path_factory.mktemp("runs"), patch, 80)


def test_the_parameter_that_decides_is_the_most_important_one(run):
    found = importance(run, read_config(run))
    assert found is not None and found.skill > 0.6
    assert {share.name for share in found.shares} == set(run.config["params"])
    first = found.shares[0]
    assert first.name == "lr" and first.total > 0.5
    assert [share.total for share in found.shares] == sorted((s.total for s in found.shares), reverse=True)
    assert all(0 <= share.low <= share.total <= share.high for share in found.shares)
    assert found == importance(run, read_config(run))


def test_the_report_shows_it(run):
    found = importance(run, read_config(run))
    page = make(run).read_text()
    assert "Too few trials have a value" not in page and "Total effect" in page
    assert f"{found.shares[0].total:.0%} <small>" in page
    assert page.index(">lr</span>") < page.index(f">{found.shares[-1].name}</span>")
    assert "Too few trials have a value" in render(run, Extras())
    weak = render(run, Extras(importance=Importance(27, 80, 0.1, ())))
    assert "The model explains too little" in weak and "Total effect" not in weak


def test_the_history_has_diverged_trials_and_no_failed_ones(run):
    trials = run.trials.to_pylist()
    states = [row["state"] for row in trials]
    found = history(trials, run.rungs.to_pylist(), read_config(run).space)
    assert len(found) == len(trials) - states.count("failed") < len(trials)
    assert sum(trial.diverged for trial in found) == states.count("diverged") > 0
    assert max(len(trial.values) for trial in found) == len(read_config(run).rungs)


def test_without_values_or_skill_there_is_no_ranking():
    trials = random_trials(60, rungs=2)
    assert estimate(trials, SPACE, RUNGS, 0).shares
    assert estimate(trials[:7], SPACE, RUNGS, 0) is None
    equal = [replace(trial, values=(1.0, 1.0)) for trial in trials]
    assert estimate(equal, SPACE, RUNGS, 0) is None
    order = np.random.default_rng(0).permutation(60)
    mixed = [Observation(trials[one].params, trials[other].values) for one, other in enumerate(order)]
    assert estimate(mixed, SPACE, RUNGS, 0).shares == ()


def test_the_values_of_maximised_objectives_are_turned_around(run):
    config = read_config(run)
    space = replace(config.space, objective=replace(config.space.objective, mode="max"))
    down, up = (history(run.trials.to_pylist(), run.rungs.to_pylist(), own) for own in (config.space, space))
    finite = [trial for trial in up if not trial.diverged]
    assert [trial.values for trial in finite] == [
        tuple(-value for value in trial.values) for trial in down if not trial.diverged
    ]
