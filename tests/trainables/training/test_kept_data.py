"""Data is prepared and set up once in a worker, and no trial is another one for it."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from search.core.queue import Plan, Queue
from search.core.study import Study
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob
from spaces.lane import Lane
from spaces.params import Range
from spaces.space import Objective, Space
from tests.foreign.counted import Counted
from trainables import given
from trainables.training.build import build, make_parts
from trainables.training.evaluate import score
from trainables.training.kept_data import KEPT, MAX_KEPT, forget
from trainables.training.setup import Setup
from trainables.training.train import train

COUNTED = "tests.foreign.counted:"


@pytest.fixture(autouse=True)
def nothing_is_kept():
    forget()
    yield
    forget()


@pytest.fixture
def log(tmp_path):
    """The file of events."""
    return tmp_path / "events.txt"


@pytest.fixture
def setup_of(log):
    """`setup_of("Counted")`: of trials with this data."""
    return lambda data, net="tests.tiny:TinyNet": Setup(
        net, f"{COUNTED}{data}", {"log": str(log)}, seed=1, epochs=2, objective="val_loss"
    )


def events(log):
    """How often each event was noted, whatever the process."""
    return Counter(line.partition(" ")[2] for line in log.read_text().splitlines())


def values(setup, numbers, folder, afresh=False, **params):
    """Validation losses by trial, each trained in two jobs."""
    found = {}
    for number in numbers:
        start = None
        for first in (0, 1):
            if afresh:
                forget()
            lane = Lane(number, {"lr": 0.1} | params, seed=number, start=start)
            start = str(folder / f"{number}-{first}.safetensors")
            (report,) = train(setup, [lane], first, first + 1, start)
            found[number, first] = report.metrics[number]["val_loss"]
    return found


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request):
    """An engine as a function of its `train`."""
    if request.param == "local":
        yield LocalEngine
        return
    from tests.small_ray import small_ray  # here, for it loads Ray

    with small_ray("kept", 2) as made:
        yield made


def test_a_search_sets_up_its_data_once_in_each_worker(engine, log, tmp_path):
    objective = Objective("val_loss", "min")
    paths = {"trainable": "tests.tiny:TinyNet", "data": f"{COUNTED}Counted"}
    space = Space(name="kept", about="", objective=objective, params={"lr": Range(1e-3, 1e-1)}, **paths)
    rungs = (1, 3, 9)
    queue = Queue(
        space, Plan(9, rungs, 3, seed=0, sampler="random"), Study(tmp_path / "study.log", space, rungs)
    )
    setup = {**paths, "options": {"log": str(log)}, "seed": 0, "epochs": 9, "objective": "val_loss"}
    made = engine(TrainJob(str(tmp_path), setup))
    made.run(queue)
    assert sum(len(trial.values) for trial in queue.trials.values()) >= 13  # jobs, each with its fit
    assert log.read_text().count("setup") <= made.workers
    for event, count in Counter(log.read_text().splitlines()).items():
        assert count == 1, event
    assert events(log).keys() == {"made", "prepare", "setup fit"}
    made.close()
    assert not KEPT


@pytest.mark.parametrize("data", ["Counted", "OwnGenerator"])
@pytest.mark.parametrize("net", ["tests.tiny:TinyNet", "tests.foreign.counted:LateNet"])
def test_values_are_those_of_new_data(data, net, setup_of, tmp_path):
    setup = setup_of(data, net)
    kept, afresh = (values(setup, (3, 4), tmp_path, afresh) for afresh in (False, True))
    assert kept == afresh
    assert kept[3, 0] != kept[3, 1]


def test_data_that_frees_itself_is_made_for_each_training(setup_of, log, tmp_path):
    values(setup_of("TornDown"), (0, 1), tmp_path)
    times = dict.fromkeys(("made", "prepare", "setup fit", "teardown fit"), 4)
    assert events(log) == times
    assert make_parts(setup_of("TornDown"), Lane(0, {"lr": 0.1}, 0)).data_key is None


def test_a_setup_that_reads_the_module_runs_for_each_trial(setup_of, tmp_path):
    setup = setup_of("AsksModule")
    by_rate = [values(setup, (0,), tmp_path, afresh, lr=lr) for lr in (0.1, 0.2) for afresh in (False, True)]
    assert by_rate[0] == by_rate[1] != by_rate[2] == by_rate[3]


def test_other_arguments_give_other_data(setup_of, log, tmp_path):
    setup = setup_of("Counted")
    for size in (8, 16, 8):
        values(setup, (0,), tmp_path, batch_size=size)
    assert events(log)["setup fit"] == 2
    values(replace(setup, seed=2), (0,), tmp_path, batch_size=8)
    assert events(log)["setup fit"] == 3
    for size in range(20, 20 + MAX_KEPT):
        make_parts(setup, Lane(0, {"lr": 0.1, "batch_size": size}, 0))
    assert len(KEPT) == MAX_KEPT
    values(setup, (0,), tmp_path, batch_size=8)
    assert events(log)["setup fit"] == 4


def test_the_test_split_leaves_the_data_as_it_is(setup_of, log, tmp_path):
    setup = setup_of("Counted")
    first = values(setup, (0,), tmp_path)
    lane, file = Lane(0, {"lr": 0.1}, 0), str(tmp_path / "0-1.safetensors")
    scores = [score(setup, [lane], file)[0].test for _ in range(2)]
    assert scores[0] == scores[1] != first[0, 1]
    assert values(setup, (0,), tmp_path) == first
    assert events(log) == {"made": 1, "prepare": 1, "setup fit": 1, "setup test": 1}


def test_data_whose_setup_fails_is_not_kept(setup_of, log, tmp_path):
    setup = setup_of("Unstable")
    with pytest.raises(OSError, match="not yet"):
        values(setup, (0,), tmp_path)
    values(setup, (0,), tmp_path)
    assert events(log) == {"made": 2, "prepare": 2, "setup fit": 2}


def test_the_trainer_of_the_last_job_is_not_kept(setup_of, tmp_path):
    setup, lane = setup_of("Counted"), Lane(0, {"lr": 0.1}, 0)
    values(setup, (0,), tmp_path)
    assert make_parts(setup, lane).data.trainer is None


def test_keys_are_equal_for_the_same_data(setup_of):
    counted = setup_of("Counted")

    def key(setup=counted, **params):
        return make_parts(setup, Lane(0, {"lr": 0.1, **params}, 0)).data_key

    assert key() is not None
    assert key() == key(lr=0.2)
    assert hash(key()) == hash(key(lr=0.2))
    other = replace(counted, data=given.path_of(type("Mine", (Counted,), {"__module__": "?"})))
    keys = [key(), key(batch_size=8), key(replace(counted, seed=2)), key(other)]
    assert len(set(keys)) == 4
    assert key(extra=torch.zeros(1)) is None
    assert key(extra=[1, {"a": 2}]) == key(extra=[1, {"a": 2}])


def test_build_makes_data_that_nobody_else_gets(setup_of):
    lane = Lane(0, {"lr": 0.1}, 0)
    kept = make_parts(setup_of("Counted"), lane).data
    assert build(setup_of("Counted"), lane)[1] is not kept
    assert make_parts(setup_of("Counted"), lane).data is kept
