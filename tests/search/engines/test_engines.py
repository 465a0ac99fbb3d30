"""Both engines pass the contract, the Ray one on a real local cluster."""

import pytest

from search.core.job import State
from search.engines.gpu_share import GpuShare
from search.engines.local import LocalEngine
from search.engines.ray_searcher import QueueSearcher
from tests.contracts import EngineContract
from tests.mishap import Mishap


class TestLocal(EngineContract):
    @pytest.fixture
    def engine(self):
        return LocalEngine

    def test_a_job_that_loses_a_process_is_tried_again(self, engine, make_queue, tmp_path):
        queue = make_queue(trials=4, epochs=1)
        engine(Mishap("loses a process", tmp_path / "mishaps", times=1)).run(queue)
        assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}
        assert (tmp_path / "mishaps").read_text() == "x"


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

    @pytest.mark.parametrize("kind", ["dies", "loses a process"])
    def test_a_worker_that_dies_is_replaced_and_its_job_tried_again(self, kind, engine, make_queue, tmp_path):
        queue = make_queue(trials=4, epochs=1)
        engine(Mishap(kind, tmp_path / "mishaps", times=1)).run(queue)
        assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}
        assert (tmp_path / "mishaps").read_text() == "x"

    def test_more_devices_than_a_node_has_are_the_users_error(self, cluster):
        from search.engines.ray_tune import RayEngine

        with pytest.raises(ValueError, match="devices_per_trial is 64, but the cluster has 2 CPUs"):
            RayEngine(None, name="formula", cpus_per_job=1, gpus_per_job=0, devices_per_trial=64)
        engine = RayEngine(None, name="formula", cpus_per_job=0.5, gpus_per_job=0, devices_per_trial=2)
        assert engine.workers == 1

    def test_a_worker_that_hangs_ends_itself_and_its_job_is_tried_again(self, engine, make_queue, tmp_path):
        queue = make_queue(trials=4, epochs=1, timeout=2.0)
        engine(Mishap("hangs", tmp_path / "mishaps", times=1)).run(queue)
        assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}

    def test_a_job_that_was_alone_when_memory_ran_out_does_not_fit(self, engine, make_queue):
        """Of several, each is tried again alone; the text is that of Ray."""
        searcher = QueueSearcher(make_queue(trials=4, epochs=1), lambda held: 2, GpuShare(0.0, shares=False))
        searcher.suggest("a"), searcher.suggest("b")
        for name in ("a", "b"):
            searcher.lost(name, "2 worker(s) were killed due to the node running low on memory.")
        first = searcher.suggest("c")["job"]
        assert searcher.suggest("d") is None
        searcher.lost("c", "1 worker(s) were killed due to the node running low on memory.")
        trials = searcher.queue.trials
        assert trials[first.lanes[0].number].error.startswith("OutOfMemory: ")
        assert [trial.state for trial in trials.values()].count(State.FAILED) == 1
        assert searcher.error is None
