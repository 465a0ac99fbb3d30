"""What a trial on several devices needs of Lightning: a strategy, and metrics of all its processes."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy

from spaces.lane import Report, SpaceError
from spaces.seeds import derive_seed
from trainables.learner import Learner
from trainables.training.lightning_private import gathers_state

NAMES = (  # of Lightning's strategies that leave it to others to start the processes
    "auto",
    "ddp",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
    "fsdp",
    "fsdp_cpu_offload",
)


def available(accelerator: Any) -> tuple[int, str]:
    """How many devices this machine has for the Trainer's `accelerator`, if it names one, and their kind."""
    if torch.cuda.is_available() and accelerator != "cpu":
        return torch.cuda.device_count(), "GPUs"
    return os.cpu_count() or 1, "CPU cores"


def check(trainable: Any, path: str, strategy: Any) -> None:
    """Checks what can be known before a trial on several devices begins.

    `trainable` is the class at `path`, or a function; `strategy` that of the space, if it has one. Raises
    SpaceError for a Learner, and as `chosen`.
    """
    if isinstance(trainable, type) and issubclass(trainable, Learner):
        raise SpaceError(learner_on_several(path))
    if strategy is None or isinstance(strategy, str):
        chosen(strategy)


def learner_on_several(path: str) -> str:
    """Message for a Learner, whose batches no sampler divides, and whose means are those of one process."""
    return (
        f"{path} is a Learner, which trains on one device, in packs; several are for other LightningModules "
        "(devices_per_trial=1)"
    )


def chosen(strategy: Any) -> Any:
    """The Trainer's `strategy` for several devices, given that of the space or project; DDP by default.

    Raises SpaceError for a strategy that is neither DDP nor FSDP, that starts processes itself, or that keeps
    the state of a module in pieces.
    """
    if strategy is None or strategy == "auto":
        return "ddp"
    name = strategy if isinstance(strategy, str) else type(strategy).__name__
    if name not in NAMES and not isinstance(strategy, DDPStrategy | FSDPStrategy):
        raise SpaceError(
            f"trainer.strategy is {name}, but a trial on several devices can have {', '.join(NAMES)}, or a "
            "DDPStrategy or FSDPStrategy (trainer in the space file, or devices_per_trial=1)"
        )
    if isinstance(strategy, FSDPStrategy) and not gathers_state(strategy):
        raise SpaceError(
            "trainer.strategy has state_dict_type sharded, but the checkpoint of a trial is one file "
            "(state_dict_type: full)"
        )
    return strategy


def rank_options(count: int, strategy: Any, batch_seed: int) -> dict[str, Any]:
    """Arguments of the Trainer of one of `count` processes, which have been started already.

    Raises SpaceError as `chosen`, and for FSDP without GPUs.
    """
    strategy = chosen(strategy)
    if not torch.cuda.is_available() and (type(strategy) is FSDPStrategy or str(strategy).startswith("fsdp")):
        raise SpaceError(
            "trainer.strategy is fsdp, which needs GPUs, and the job has none (gpus_per_job=..., or ddp)"
        )
    seed_sampler(batch_seed)
    return {"devices": count, "strategy": strategy, "use_distributed_sampler": True}


def seed_sampler(batch_seed: int) -> None:
    """Seeds the order of Lightning's DistributedSampler, which takes it from the seed of the process."""
    L.seed_everything(derive_seed(batch_seed), verbose=False)


def in_group(
    deterministic: bool, function: Callable[..., Iterator[Report]], *arguments: Any
) -> Iterator[Report]:
    """The reports of a function that trains with other processes; leaves their group at its end.

    After an exception it stays: these processes are then killed, and leaving would make the others fail.
    """
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    yield from function(*arguments)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    torch.cuda.empty_cache()


def mean_of_ranks(metrics: dict[str, float]) -> dict[str, float]:
    """The mean of each metric over the processes that have it. All processes must call it.

    What has been logged with sync_dist=True is the same in all, and remains.
    """
    of_all: list[dict[str, float]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(of_all, metrics)
    values: dict[str, list[float]] = {}
    for of_rank in of_all:
        for name, value in of_rank.items():
            values.setdefault(name, []).append(value)
    return {name: sum(several) / len(several) for name, several in values.items()}
