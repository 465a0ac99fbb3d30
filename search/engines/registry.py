"""The engine that a configuration names. Ray is imported only where it is asked for."""

from search.config.run_config import RunConfig
from search.engines.base import Engine, Train
from search.engines.local import LocalEngine


def make_engine(config: RunConfig, train: Train) -> Engine:
    """The engine `config.engine`. Raises ValueError if its cluster can never run a job of this run."""
    if config.engine == "local":
        return LocalEngine(train)
    from search.engines.ray_tune import RayEngine

    return RayEngine(
        train, name=config.space.name, cpus_per_job=config.cpus_per_job, gpus_per_job=config.gpus_per_job
    )
