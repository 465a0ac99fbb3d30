"""The early end of a search: when it comes, and that it is final."""

from dataclasses import replace

from search.core.history import History
from search.core.model.prospect import MIN_TRIALS, prospect
from search.core.model.surrogate import Modeller
from search.core.rungs import expected_epochs
from search.engines.local import LocalEngine
from tests.formula import Formula
from tests.history import RUNGS, SPACE, history


def test_the_prospect_falls_when_the_optimum_is_found():
    modeller = Modeller(SPACE, RUNGS, 0)
    few = [one for one in history(60, rungs=3) if abs(one.params["x"] - 0.3) > 0.25]
    found = replace(few[0], params={**few[0].params, "x": 0.3}, values=(0.0,) * 3)
    before = prospect(modeller, History(few), 0.05)
    after = prospect(modeller, History([*few, found]), 0.05)
    assert before is not None and after is not None
    assert after.gain < 0.05 < before.gain
    assert after.certainty > 0.8 > before.certainty


def test_without_values_enough_or_with_equal_ones_there_is_no_prospect():
    modeller = Modeller(SPACE, RUNGS, 0)
    assert prospect(modeller, History(history(MIN_TRIALS - 1)), 0.5) is None
    assert prospect(modeller, History(replace(one, values=(1.0,)) for one in history(30)), 0.5) is None


def test_a_search_ends_early_and_stays_so_when_resumed(make_queue):
    options = {"trials": 200, "sampler": "ladder", "min_gain": 0.05}
    queue = make_queue(**options)
    LocalEngine(Formula()).run(queue)
    end = queue.stopping.end
    assert end is not None
    assert MIN_TRIALS <= end["trials"] == len(queue.trials) < 200
    assert end["gain"] < 0.05
    assert end["epochs_saved"] == expected_epochs(200, queue.plan.rungs, 3) - expected_epochs(
        end["trials"], queue.plan.rungs, 3
    )
    assert abs(queue.best().params["x"] - 0.3) < 0.05
    resumed = make_queue(**options)
    LocalEngine(Formula()).run(resumed)
    assert resumed.trials == queue.trials
    assert resumed.stopping.end == end


def test_without_a_least_gain_all_trials_are_begun(make_queue):
    queue = make_queue(trials=40, sampler="ladder")
    LocalEngine(Formula()).run(queue)
    assert len(queue.trials) == 40
