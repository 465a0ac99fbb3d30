"""Jobs that share a GPU, on a Ray cluster with a GPU that is there by name only."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from search.core.job import State
from search.engines.gpu_share import GpuShare
from spaces.lane import DeviceMemory, OutOfMemory
from tests.formula import Formula

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def make_engine():
    """One cluster for all tests: `make_engine(train, ...)` with four CPUs and one GPU."""
    import ray

    from search.engines.ray_tune import RayEngine

    ray.init(
        num_cpus=4, num_gpus=1, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False
    )
    yield lambda train, **more: RayEngine(
        train, **{"name": "shared", "cpus_per_job": 1, "gpus_per_job": "auto", **more}
    )
    ray.shutdown()


@dataclass(frozen=True)
class Shared:
    """The formula, which takes `peak` of the memory of its GPU, and notes the GPUs of each job in a file.

    From trial 1 on a job ends only when another one runs beside it, if `meets`. Trial `hungry` runs out of
    memory with less than half a GPU.
    """

    folder: Path
    peak: float
    meets: bool = False
    hungry: int | None = None

    def __call__(self, job):
        import ray

        number, gpus = job.lanes[0].number, ray.get_runtime_context().get_assigned_resources().get("GPU", 0)
        with (self.folder / "gpus.txt").open("a") as file:
            file.write(f"{number} {gpus} {os.getpid()}\n")
        if number == self.hungry and gpus < 0.5:
            raise OutOfMemory("tried to allocate 2 GiB")
        if self.meets and number:
            os.close(os.open(self.folder / "door", os.O_RDONLY if number % 2 else os.O_WRONLY))
        for report in Formula()(job):
            yield replace(report, memory=DeviceMemory(self.peak, outside=0.02))


def gpus_of(folder: Path) -> list[tuple[int, float]]:
    """Trial and GPUs of each job, in the order of their beginning."""
    lines = (folder / "gpus.txt").read_text().splitlines()
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines]


def test_two_jobs_share_a_gpu_after_the_first(make_engine, make_queue, tmp_path):
    """Opening a pipe waits for the other end: a job whose partner does not run is ended as one that hangs."""
    os.mkfifo(tmp_path / "door")
    queue, lost = make_queue(trials=5, epochs=1, timeout=30.0), []
    lose = queue.lose
    queue.lose = lambda job, cause: (lost.append(job), lose(job, cause))
    engine = make_engine(Shared(tmp_path, peak=0.35, meets=True))
    assert engine.workers == 1
    engine.run(queue)
    assert engine.workers == 2
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}
    assert not lost
    assert gpus_of(tmp_path)[0] == (0, 0.125)
    assert sorted(gpus_of(tmp_path)[1:]) == [(number, 0.5) for number in (1, 2, 3, 4)]


def test_the_worker_of_the_first_job_goes_on_if_many_fit(make_engine, make_queue, tmp_path):
    make_engine(Shared(tmp_path, peak=0.05)).run(make_queue(trials=6, epochs=1))
    assert {gpus for _, gpus in gpus_of(tmp_path)} == {0.125}
    first, *others = [line.split()[2] for line in (tmp_path / "gpus.txt").read_text().splitlines()]
    assert first in others


def test_a_job_that_runs_out_of_memory_beside_others_is_tried_again_with_more(
    make_engine, make_queue, tmp_path
):
    queue = make_queue(trials=3, epochs=1)
    engine = make_engine(Shared(tmp_path, peak=0.18, hungry=1))
    engine.run(queue)
    assert engine.workers == 2
    assert {trial.state for trial in queue.trials.values()} == {State.COMPLETE}
    assert [gpus for number, gpus in gpus_of(tmp_path) if number == 1] == [0.25, 0.5]


@pytest.mark.parametrize("shares", [True, False])
def test_a_job_that_runs_out_of_memory_alone_has_failed(shares, make_queue):
    from search.engines.ray_searcher import QueueSearcher

    queue = make_queue(trials=2, epochs=1)
    searcher = QueueSearcher(queue, lambda held: 1, GpuShare(1.0, shares))
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"error": "OutOfMemory: tried to allocate 2 GiB"})
    assert (queue.trials[0].state, searcher.error) == (State.FAILED, None)


@pytest.mark.parametrize("more", [{"deterministic": True}, {"gpus_per_job": 1}, {"gpus_per_job": 0}], ids=str)
def test_others_do_not_share(more, make_engine):
    engine = make_engine(None, **more)
    before = engine.workers
    engine.share.took(DeviceMemory(0.1, 0.02), 1.0)
    assert engine.workers == before


def test_no_job_is_asked_for_while_the_running_ones_leave_too_little(make_engine):
    """One that began with the whole GPU keeps it to its end."""
    from search.engines import ray_join

    half = {"CPU": 1.0, "GPU": 0.5}
    assert ray_join.workers(half, scales=False, held=[1.0]) == 1
    assert ray_join.workers(half, scales=False, held=[0.3333, 0.3333]) == 2
    assert ray_join.workers(half, scales=False, held=[0.25, 0.25]) == 2
    assert ray_join.workers(half, scales=True, held=[1.0]) == 3
