"""Whole searches in packs, on both engines: each trial has the value that it has alone."""

import dataclasses

import pytest

from search.config.run_config import resolve
from search.core.queue import Plan, Queue
from search.core.study import Study
from search.engines.local import LocalEngine
from search.engines.train_job import TrainJob, training_setup
from search.runs.preflight import prepare
from spaces.lane import Lane
from spaces.read import names, read
from tests.contracts import small
from trainables.training.setup import Setup
from trainables.training.train import train


@pytest.fixture(scope="module", params=["local", "ray"])
def engine(request):
    """An engine as a function of its `train`; one cluster for all searches."""
    if request.param == "local":
        yield LocalEngine
        return
    from tests.small_ray import small_ray  # here, for it loads Ray

    with small_ray("packs", 1) as made:
        yield made


@pytest.fixture(scope="module")
def alone():
    """The values of trials alone, by space: those of one engine are those of the other."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_trial_of_a_pack_is_the_trial_alone(engine, alone, name, tmp_path):
    """In float32, without dropout, and with an eps that does not enlarge rounding errors."""
    parameters = read(name).params
    fixed = {"dropout": 0.0, "batch_size": 16, "backbone": "resnet10t", "eps": 1e-5}
    overrides = ["backbone=resnet10t"] if name == "slice_reg" else []
    overrides += [f"param.{key}={value}" for key, value in fixed.items() if key in parameters]
    config = resolve([f"space={name}", "trials=4", "epochs=1", *overrides])
    config, _ = prepare(dataclasses.replace(config, space=small(config.space)))
    space, plan = config.space, Plan(4, (1,), 3, seed=0, sampler="random", lanes=4)
    setup = training_setup(config) | {"mixed_precision": False}
    queue = Queue(space, plan, Study(tmp_path / "study.log", space, (1,)))
    engine(TrainJob(str(tmp_path), setup)).run(queue)
    assert len({trial.checkpoint for trial in queue.trials.values()}) == 1  # they were one job
    packed = {number: trial.values[0] for number, trial in queue.trials.items()}
    lanes = [Lane(number, trial.params, queue.seed(number)) for number, trial in queue.trials.items()]
    if name not in alone:
        reports = [train(Setup(**setup), [lane], 0, 1, str(tmp_path / f"{lane.number}")) for lane in lanes]
        values = [
            report.metrics[lane.number][space.objective.metric]
            for lane, (report,) in zip(lanes, reports, strict=True)
        ]
        alone[name] = lanes, values
    assert alone[name][0] == lanes
    assert packed == pytest.approx(dict(enumerate(alone[name][1])), rel=1e-4)
    sign = space.objective.sign
    best = min(packed, key=lambda n: sign * packed[n])
    assert best == min(packed, key=lambda n: sign * alone[name][1][n])
