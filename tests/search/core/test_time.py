"""The end of a search by its time."""

from search.core.job import State
from search.core.rungs import UNLIMITED
from search.engines.local import LocalEngine
from tests.formula import Formula


def recorded(queue):
    """The seconds that the search had run, at each finished rung."""
    attributes = [trial.user_attrs for trial in queue.study.frozen_trials()]
    return [record["ran"] for own in attributes for key, record in own.items() if key.startswith("rung/")]


def test_no_trial_begins_when_the_time_is_over_but_the_best_is_finished(make_queue):
    queue = make_queue(trials=UNLIMITED, time=1e-9)
    LocalEngine(Formula()).run(queue)
    assert [(trial.state, len(trial.values)) for trial in queue.trials.values()] == [(State.COMPLETE, 3)]
    assert queue.study.early_end() == {"trials": 1, "time": 1e-9}
    again = make_queue(trials=UNLIMITED, time=1e6)  # the end is final
    LocalEngine(Formula()).run(again)
    assert again.trials == queue.trials


def test_the_time_of_earlier_processes_counts_but_not_the_pause(make_queue):
    queue = make_queue(trials=4)
    LocalEngine(Formula()).run(queue)
    before = max(recorded(queue))
    assert before > 0
    again = make_queue(trials=9, time=before / 2)
    assert again.study.ran_before == before
    LocalEngine(Formula()).run(again)
    assert len(again.trials) == 4  # its time was over before it went on


def test_a_time_that_is_not_over_changes_nothing(make_queue):
    queue = make_queue(time=1e6)
    LocalEngine(Formula()).run(queue)
    assert len(queue.trials) == 9
    assert queue.study.early_end() is None
