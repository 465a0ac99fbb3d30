"""Trials by hand: the command, its refusals, an interrupted run, and a kill in the midst."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from results.store import open_run
from search.core.job import State
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from search.runs.by_hand import completed, value_of
from search.runs.folder import locked, read_config, write_config
from search.runs.journal import open_study
from search.runs.run import resume, search
from search.watch.progress import ProgressView
from spaces.params import Choice, Range
from spaces.parse_space import parse_space
from tests import tiny
from tests.search.command import invoke, searched

SPACE = tiny.SPACE + "  count: {{low: 32, high: 64, when: {{width: 4}}}}\nconstraints: [lr < 0.9]\n"


@pytest.fixture
def make(tmp_path):
    """`make("trials=3", ...)`: the folder of a run of four trials, unless the overrides differ."""

    return lambda *more, net="TinyNet": searched(tmp_path, SPACE.format(net=net), *more)


def trials(folder):
    return open_study(folder, read_config(open_run(folder)), writable=False).trials()


def interrupt(folder):
    """Makes the finished run one that lacks two trials, of which one has begun."""
    config = read_config(open_run(folder))
    with locked(folder):
        open_study(folder, config).create([{"lr": 0.5, "width": 2}])
        write_config(folder, replace(config, trials=config.trials + 2))


def test_a_finished_run_gets_a_trial_that_reaches_the_last_epoch(make, capfd):
    folder = make()
    before = trials(folder)
    best = open_run(folder).best()
    result = invoke("try", folder, "lr=0.0002", "width=2")  # the worst there is, which no rule promotes
    assert result.exit_code == 0, result.output
    run, (*others, own) = open_run(folder), trials(folder)
    assert others == before
    assert (own.number, own.state, own.epochs) == (4, State.COMPLETE, 3)
    assert own.params == {"lr": 0.0002, "width": 2}
    assert (run.status, read_config(run).trials, run.trials.num_rows) == ("finished", 5, 5)
    assert (folder / own.checkpoint).exists()
    assert run.best()["trial"] == best["trial"]
    shown = capfd.readouterr().out
    assert "trial 4, to epoch 3, in" in shown
    assert "trial 4 is complete after 3 epochs, val_loss" in shown
    assert "not given" not in shown
    assert invoke("try", folder, "lr=0.0003").exit_code == 0
    assert f"not given are those of trial {best['trial']}, the best one" in capfd.readouterr().out
    assert trials(folder)[5].params["width"] == best["param/width"]
    assert "report" in result.output


def test_mistakes_are_one_line_and_change_nothing(make):
    folder = make()
    before = trials(folder)
    best = max((t for t in before if t.state is State.COMPLETE), key=lambda t: -t.values[-1])
    tried = [f"{name}={value}" for name, value in best.params.items()]
    for values, message in (
        (["lr=2"], "lr is 2, but must be a number from 0.0001 to 1.0 (lr=...)"),
        (["width=3"], "width is 3, but must be one of [2, 4] (width=...)"),
        (["wdith=2"], "there is no parameter 'wdith' in the run; did you mean 'width'?"),
        (["lr=0.95"], "the configuration breaks 'lr < 0.9' (lr=0.95)"),
        (["count=40", "width=2"], "count is given, but is active only when width is 4 (add width=4)"),
        (["lr"], "'lr' is no override"),
        (tried, f"trial {best.number} of {folder} has this configuration"),
    ):
        refused = invoke("try", folder, *values)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), refused.output
        assert message in refused.stderr
    with locked(folder):
        assert "is being searched by another process" in invoke("try", folder, "lr=0.1").stderr
    assert trials(folder) == before
    assert read_config(open_run(folder)).trials == 4


def test_the_open_trials_of_an_interrupted_run_stay_as_they_are(make):
    folder = make()
    interrupt(folder)
    before = trials(folder)
    assert before[4].state is State.PAUSED
    assert invoke("try", folder, "lr=0.3", "width=2").exit_code == 0
    *others, own = trials(folder)
    assert others == before
    assert (own.number, own.state, own.epochs) == (5, State.COMPLETE, 3)
    assert open_run(folder).status == "interrupted"
    resume(folder)
    run = open_run(folder)
    assert (run.status, run.trials.num_rows, read_config(run).trials) == ("finished", 7, 7)
    assert trials(folder)[5] == own


def test_a_trial_that_a_kill_has_left_open_goes_on_with_the_run(make):
    folder = make()
    with locked(folder):
        open_study(folder, read_config(open_run(folder))).create([{"lr": 0.3, "width": 2}])  # killed here
    again = invoke("try", folder, "lr=0.3", "width=2")
    assert "trial 4 of" in again.stderr
    assert f"go on with: python -m search resume {folder}" in again.stderr
    resume(folder)
    run = open_run(folder)
    assert (run.status, run.trials.num_rows) == ("finished", 5)
    assert trials(folder)[4].values
    assert trials(folder)[4].state in (State.STOPPED, State.COMPLETE)


def test_a_trial_that_is_killed_between_rungs_is_one_of_the_search(make):
    folder = make()
    config = read_config(open_run(folder))
    train = TrainJob.of(config, folder)

    def train_to_the_first_rung(job):
        if job.last > 1:
            raise KeyboardInterrupt
        yield from train(job)

    with locked(folder), pytest.raises(KeyboardInterrupt):
        open_study(folder, config).create([{"lr": 0.0002, "width": 2}])
        view = ProgressView(Console(file=io.StringIO()), "r", workers=1)
        search(LocalEngine(train_to_the_first_rung), config, folder, view, only=4)
    assert (open_run(folder).status, trials(folder)[4].epochs) == ("interrupted", 1)
    resume(folder)
    assert (open_run(folder).status, trials(folder)[4].state) == ("finished", State.STOPPED)


def test_a_run_whose_trials_have_all_failed_takes_none(make):
    folder = make(net="BrokenNet")
    assert "have failed; begin a new run" in invoke("try", folder, "lr=0.3").stderr


def test_a_configuration_is_completed_from_another_one_and_conditions_hold():
    params = {
        "optimizer": ["adam", "sgd"],
        "momentum": {"low": 0.5, "high": 0.9, "default": 0.8, "when": {"optimizer": "sgd"}},
        "lr": {"low": 1e-3, "high": 1.0, "log": True},
    }
    plain = {"trainable": "a.b:C", "data": "a.b:D", "objective": {"metric": "v", "mode": "min"}}
    space = parse_space({**plain, "params": params}, "s", "s.yaml", {})
    adam, sgd = {"optimizer": "adam", "lr": 0.1}, {"optimizer": "sgd", "momentum": 0.6, "lr": 0.1}
    assert completed(space, {"lr": 1}, adam) == {"optimizer": "adam", "lr": 1.0}
    assert completed(space, {"optimizer": "adam"}, sgd) == adam
    assert completed(space, {"optimizer": "sgd"}, adam) == {**sgd, "momentum": 0.8}
    assert completed(space, {"optimizer": "sgd", "momentum": 0.7}, adam) == {**sgd, "momentum": 0.7}


@pytest.mark.parametrize(
    ("param", "given", "value"),
    [
        (Range(0.0, 1.0), 1, 1.0),
        (Range(0.0, 1.0), True, None),
        (Range(0.0, 1.0), "much", None),
        (Range(1, 4), 2, 2),
        (Range(1, 4), 2.5, None),
        (Range(0.0, 0.4, step=0.1), 0.30000000000000004, 0.3),
        (Range(0.0, 0.4, step=0.1), 0.35, None),
        (Choice((False, 1)), 1, 1),
        (Choice((False, True)), 1, None),
        (Choice(("[1, 2]", "[3]"), values={"[1, 2]": [1, 2], "[3]": [3]}), [1, 2], "[1, 2]"),
        (Choice(("small",)), "large", None),
    ],
)
def test_a_value_is_one_of_its_parameter(param, given, value):
    if value is None:
        with pytest.raises(ValueError, match=r"^p is .*, but must be .* \(p=\.\.\.\)$"):
            value_of("p", param, given)
    else:
        found = value_of("p", param, given)
        assert (found, type(found)) == (value, type(value))
