"""One trial whose module is no Learner: any LightningModule, unchanged, paused and resumed by Lightning.

Lightning saves and restores optimizers, schedulers, callbacks, loops and the state of the module's own hooks.
Its checkpoint is stored as safetensors, so nothing is unpickled. `max_epochs` is that of the whole training
at every rung, so schedulers span all epochs.
"""

import json
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from spaces.lane import SpaceError
from spaces.metrics import LATENCY, MEMORY, PARAMS
from spaces.seeds import derive_seed
from trainables.seeding import seed_all
from trainables.training import checkpoint
from trainables.training import devices as several
from trainables.training.first_batches import FirstBatches
from trainables.training.fit import Fit, Metrics
from trainables.training.latency import latency_ms
from trainables.training.lightning_private import checkpoint_dict, restart_training_batches
from trainables.training.longer_schedules import LongerSchedules
from trainables.training.measure import measured, memory_mb, params
from trainables.training.module_logger import module_logger
from trainables.training.serialize import from_json, to_json

# Entries of Lightning's checkpoint with the arguments of module and data; each job takes them from its trial.
ARGUMENTS = ("hyper_parameters", "hparams_name", "hparams_type")
DATA_ARGUMENTS = tuple(f"datamodule_{name}" for name in ARGUMENTS)


@final
class SingleFit(Fit):
    """A lane that Lightning alone trains, saves and restores.

    `epochs` are those of the whole training. Callbacks of the module may write to the folder `files`.
    `options` are further arguments of the Trainer, `measure` the names of measured metrics. With `trusts` a
    checkpoint may hold pickled objects. What the module logs as pictures goes to the folder `pictures`.
    With several `devices` this is one of as many processes (processes.py), all of which make the same fit.
    """

    mixed_precision = False  # unless the space asks for it (trainer.precision)

    def __init__(
        self,
        number: int,
        module: L.LightningModule,
        data: L.LightningDataModule,
        *,
        start: str | None,
        epochs: int,
        batch_seed: int,
        files: Path,
        options: Mapping[str, Any] = MappingProxyType({}),
        measure: tuple[str, ...] = (),
        trusts: bool = False,
        pictures: str | None = None,
        devices: int = 1,
    ) -> None:
        self.number, self.module, self.data, self.start = number, module, data, start
        self.numbers = (number,)
        self.batch_seed, self.started, self.trusts = batch_seed, False, trusts
        plugins: list[Any] = [LaneCheckpointIO(number, trusts)]
        own = {"max_epochs": epochs, "default_root_dir": files, "plugins": plugins}
        if devices > 1:  # this process is one of as many
            own |= several.rank_options(devices, options.get("strategy"), batch_seed)
            plugins.append(environment := LightningEnvironment())
            self.writes = environment.local_rank() == 0
        self.trainer_options = {"logger": module_logger(pictures, number), **options, **own}
        callbacks = tuple(self.trainer_options.pop("callbacks", ()))
        self.measure, self.first_batches = measure, FirstBatches(measure)
        self.callbacks = (*callbacks, self.first_batches) if measure else callbacks
        if start:
            state = from_state(checkpoint.lane(Path(start), number), trusts)
            self.final_metrics = state["ended"]
            if state.get("epochs", epochs) != epochs:  # an earlier version's has none
                self.callbacks = (*self.callbacks, LongerSchedules(state["lr_schedulers"]))

    @contextmanager
    def restored_file(self, trainer: L.Trainer) -> Iterator[str | None]:
        if not (self.start and self.writes and isinstance(trainer.strategy, FSDPStrategy)):
            yield self.start
            return
        # FSDP reads the file of rank 0 in all processes, without a CheckpointIO and in the format of PyTorch.
        with tempfile.TemporaryDirectory(prefix="ladder-fsdp-") as folder:
            state = from_state(checkpoint.lane(Path(self.start), self.number), self.trusts)
            torch.save(state, file := Path(folder) / "lane.ckpt")
            yield str(file)

    def seed(self, epoch: int) -> None:
        seed_all(derive_seed(self.batch_seed, epoch))
        if not self.started:
            restart_training_batches(self.module.trainer)
        self.started = True

    def epoch_metrics(self, trainer: L.Trainer) -> Metrics:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.optimizers:
            metrics["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        return {self.number: several.mean_of_ranks(metrics) if trainer.world_size > 1 else metrics}

    def measured(self, trainer: L.Trainer) -> Metrics:
        module, first = self.module, self.first_batches
        inference_mode = self.trainer_options.get("inference_mode", True)
        methods = {
            PARAMS: lambda: params(module),
            LATENCY: lambda: latency_ms(module, trainer, first.sample, inference_mode=inference_mode),
            MEMORY: lambda: memory_mb(module, trainer.optimizers, first.step_bytes),
        }
        if self.measure and isinstance(trainer.strategy, FSDPStrategy):
            raise SpaceError(
                f"{self.measure[0]} can't be measured under FSDP, where a process has a part of the module "
                "(objective and constraint in the space file)"
            )
        values = measured(self.measure, methods) if self.writes else {}
        return {self.number: trainer.strategy.broadcast(values)}

    def drop(self, diverged: frozenset[int], metrics: Metrics) -> bool:
        return not diverged  # the Trainer knows of the other end

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        # Not those of the Trainer, which weight averaging changes.
        own = {"ended": self.final_metrics, "epochs": self.trainer_options["max_epochs"]}
        lightning = {**checkpoint_dict(trainer), **own}
        return {self.number: to_state(lightning, self.trusts)} if self.writes else {}


@final
class LaneCheckpointIO(TorchCheckpointIO):
    """Loads a lane of a job's checkpoint for Lightning; other files, as of ModelCheckpoint, as usual."""

    def __init__(self, number: int, trusts: bool) -> None:
        self.number, self.trusts = number, trusts

    def load_checkpoint(self, path: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        if Path(path).suffix == ".safetensors":
            return from_state(checkpoint.lane(Path(path), self.number), self.trusts)
        return super().load_checkpoint(path, *arguments, **options)


def to_state(lightning: Mapping[str, Any], trusts: bool = False) -> checkpoint.State:
    """Lightning's checkpoint as tensors: `model/<name>` weights, `rest` JSON, `rest/<i>` the tensors in it.

    Objects that JSON and tensors can't represent are pickled in `others` with `trusts`; else they raise
    ValueError.
    """
    weights = {name: value for name, value in lightning["state_dict"].items() if isinstance(value, Tensor)}
    extra = {name: value for name, value in lightning["state_dict"].items() if name not in weights}
    rest = {
        key: value
        for key, value in lightning.items()
        if key not in (*ARGUMENTS, *DATA_ARGUMENTS, "state_dict")
    }
    rest["extra_state"] = extra
    tensors: list[Tensor] = []
    others: list[Any] | None = [] if trusts else None
    plain = {key: to_json(value, tensors, f"checkpoint[{key!r}]", others) for key, value in rest.items()}
    # Clones: safetensors refuses two names for the same memory, which tied weights have.
    state = {f"model/{name}": tensor.clone() for name, tensor in weights.items()}
    state |= {f"rest/{index}": tensor.clone() for index, tensor in enumerate(tensors)}
    state |= {"others": as_tensor(pickle.dumps(others))} if others else {}
    return state | {"rest": as_tensor(json.dumps(plain).encode())}


def as_tensor(content: bytes) -> Tensor:
    """Bytes as a tensor."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def from_state(state: checkpoint.State, trusts: bool = False) -> dict[str, Any]:
    """Lightning's checkpoint from what `to_state` made of it.

    Raises ValueError if it is something else, or holds pickled objects and is not trusted.
    """
    if "others" in state and not trusts:
        raise ValueError(
            "the checkpoint holds pickled objects, which can run any code; it is read only where the space "
            "says trust_checkpoints: true"
        )
    try:
        others = pickle.loads(state["others"].numpy().tobytes()) if "others" in state else []
        tensors = [state[f"rest/{index}"] for index in range(sum(key.startswith("rest/") for key in state))]
        rest = json.loads(state["rest"].numpy().tobytes())
        lightning = {key: from_json(value, tensors, others) for key, value in rest.items()}
        extra = dict(lightning["extra_state"])
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError, pickle.PickleError) as error:
        raise ValueError(
            f"the checkpoint is damaged: what stands beside its weights can't be read ({error!r:.200}); "
            "restore it from a copy, or train its trial again"
        ) from error
    model = {key.removeprefix("model/"): value for key, value in state.items() if key.startswith("model/")}
    return {**lightning, "state_dict": {**model, **extra}}
