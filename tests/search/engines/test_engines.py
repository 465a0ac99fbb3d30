"""Both engines pass the contract, the Ray one on a real local cluster."""

import pytest

from search.engines.local import LocalEngine
from tests.contracts import EngineContract


class TestLocal(EngineContract):
    @pytest.fixture
    def engine(self):
        return LocalEngine


@pytest.mark.slow
class TestRay(EngineContract):
    @pytest.fixture(scope="class")
    def cluster(self):
        """One cluster for all tests of the class."""
        import ray

        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
        yield
        ray.shutdown()

    @pytest.fixture
    def engine(self, cluster):
        from search.engines.ray_tune import RayEngine

        return lambda train: RayEngine(train, name="formula", cpus_per_job=1, gpus_per_job="auto")

    def test_more_gpus_than_there_are_is_the_users_error(self, cluster):
        from search.engines.ray_tune import RayEngine

        with pytest.raises(ValueError, match="gpus_per_job is 64, but the cluster has"):
            RayEngine(None, name="formula", cpus_per_job=1, gpus_per_job=64)

    def test_a_worker_that_dies_fails_its_trial_only(self, engine, make_queue):
        from search.core.job import State

        queue = make_queue(trials=4, epochs=1)
        engine(DyingFormula()).run(queue)
        states = [queue.trials[number].state for number in range(4)]
        assert states.count(State.FAILED) == 1
        assert "the worker died" in next(t.error for t in queue.trials.values() if t.error)


class DyingFormula:
    """The process that is handed trial 0 is killed, as for want of memory."""

    def __call__(self, job):
        import os
        import signal

        from tests.formula import Formula

        if job.lanes[0].number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return Formula()(job)
