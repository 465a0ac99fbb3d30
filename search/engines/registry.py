"""The engine that a configuration names. Ray is imported only where it is asked for."""

import os
from collections.abc import Callable

from search.config.run_config import RunConfig
from search.engines.base import Engine, Train
from search.engines.local import LocalEngine


def make_engine(
    config: RunConfig, train: Train, abandon: Callable[[str], object], *, shows_output: bool = True
) -> Engine:
    """The engine `config.engine`. Raises ValueError if its cluster is not there or can never run a job.

    `abandon` prints why the process ends at once, where an engine can do no more. `shows_output`: whether
    this process prints the output of its workers.
    """
    if config.engine == "local":
        if config.cluster:
            raise ValueError(
                f"cluster is {config.cluster}, but engine is local, which is this process alone (engine=ray)"
            )
        check_devices(config)
        return LocalEngine(train)
    known = os.environ.get("RAY_ADDRESS", "")  # as Ray itself takes it; `ray job submit` has set it
    if config.cluster and not (config.cluster == "auto" and known not in ("", "local")):
        os.environ["RAY_ADDRESS"] = config.cluster  # before Ray is imported
    from search.engines.ray_tune import RayEngine

    return RayEngine(
        train,
        name=config.space.name,
        cpus_per_job=config.cpus_per_job,
        gpus_per_job=config.gpus_per_job,
        devices_per_trial=config.devices_per_trial,
        deterministic=config.deterministic,
        abandon=abandon,
        shows_output=shows_output,
    )


def check_devices(config: RunConfig) -> None:
    """Raises ValueError if this machine has fewer devices than a trial of the local engine needs."""
    if config.devices_per_trial == 1:
        return
    from trainables.training.devices import available  # here, for it loads PyTorch

    count, kind = available(config.space.trainer.get("accelerator"))
    if config.devices_per_trial > count:
        raise ValueError(
            f"devices_per_trial is {config.devices_per_trial}, but this machine has {count} {kind} "
            "(devices_per_trial=...)"
        )
