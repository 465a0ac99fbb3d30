"""The engine that a configuration names. Ray is imported only where it is asked for."""

import os
from collections.abc import Callable
from pathlib import Path

from search.config.run_config import RunConfig
from search.engines.base import Engine, Train
from search.engines.local import LocalEngine


def make_engine(config: RunConfig, train: Train, abandon: Callable[[str], object]) -> Engine:
    """The engine `config.engine`. Raises ValueError if its cluster is not there or can never run a job.

    `abandon` prints why the process ends at once, where an engine can do no more.
    """
    if config.engine == "local":
        return LocalEngine(train)
    join(config.cluster)
    from search.engines.ray_tune import RayEngine

    return RayEngine(
        train,
        name=config.space.name,
        cpus_per_job=config.cpus_per_job,
        gpus_per_job=config.gpus_per_job,
        abandon=abandon,
    )


def join(cluster: str | None) -> None:
    """Says to Ray, before its import, which cluster it joins, and that the user's token opens it.

    A cluster without authentication takes a process with a token too.
    """
    if cluster:
        os.environ["RAY_ADDRESS"] = cluster
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", Path.home() / ".ray" / "auth_token"))
    if os.environ.get("RAY_ADDRESS") and (os.environ.get("RAY_AUTH_TOKEN") or file.exists()):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
