"""A small Ray cluster for tests of the Ray engine."""

from contextlib import contextmanager

import ray

from search.engines.ray_tune import RayEngine


@contextmanager
def small_ray(name, cpus):
    """The Ray engine as a function of its `train`, on a cluster of its own with this number of CPUs."""
    ray.init(num_cpus=cpus, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    yield lambda train: RayEngine(train, name=name, cpus_per_job=1, gpus_per_job="auto")
    ray.shutdown()
