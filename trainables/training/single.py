"""One trial that is no Learner: a LightningModule as its author wrote it, paused and resumed by Lightning.

Lightning saves and restores optimizers, schedulers, callbacks, loops and whatever the module's own hooks add;
here its checkpoint is laid out in safetensors, so that nothing is unpickled. Training is laid out over all
epochs, whichever rung a job ends at, so schedulers see the whole of it.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from trainables.training import checkpoint
from trainables.training.batches import seeded
from trainables.training.fit import Fit, Metrics
from trainables.training.serialize import apart, whole

# The arguments that the module and its data were made with: a job makes them anew, from its trial.
ARGUMENTS = ("hyper_parameters", "hparams_name", "hparams_type")
ARGUMENTS_OF_DATA = tuple(f"datamodule_{name}" for name in ARGUMENTS)


class SingleFit(Fit):
    """A lane whose module does all by itself."""

    mixed_precision = False  # its author did not ask for it

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
        arguments: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`epochs` are those of the whole training, `files` is where its callbacks may write; `arguments` are
        further ones of the Trainer."""
        self.number, self.module, self.data, self.start = number, module, data, start
        self.numbers = (number,)
        self.batch_seed, self.begun = batch_seed, False
        own = {"max_epochs": epochs, "default_root_dir": files, "plugins": [LaneFile(number)]}
        self.settings = {**arguments, **own}
        if start:
            self.ended = read(Path(start), number)["ended"]

    def restore(self, trainer: L.Trainer) -> None:
        pass  # Lightning has, from `start`

    def seed(self, epoch: int) -> None:
        seed_all(seeded(self.batch_seed, epoch).initial_seed())
        if not self.begun:
            # The loader of a job's first epoch was begun before this seed, those of all others are after it.
            iter(self.module.trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]
        self.begun = True

    def measured(self, trainer: L.Trainer) -> Metrics:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.optimizers:
            metrics["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        return {self.number: metrics}

    def drop(self, numbers: frozenset[int]) -> None:
        pass  # with the only lane, training ends

    def states(self, trainer: L.Trainer) -> dict[int, checkpoint.State]:
        lightning = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        return {self.number: laid_out({**lightning, "ended": self.ended})}


class LaneFile(TorchCheckpointIO):
    """Reads a lane of our checkpoints for Lightning; what callbacks write and read is left as it is."""

    def __init__(self, number: int) -> None:
        self.number = number

    def load_checkpoint(self, path: Any, *arguments: Any, **more: Any) -> dict[str, Any]:
        if Path(path).suffix == ".safetensors":
            return read(Path(path), self.number)
        return super().load_checkpoint(path, *arguments, **more)


def laid_out(lightning: Mapping[str, Any]) -> checkpoint.State:
    """Lightning's checkpoint as tensors: the weights under `model/`, the rest as JSON and its tensors.

    Raises ValueError for what is kept in it and is not plain.
    """
    weights = {name: value for name, value in lightning["state_dict"].items() if isinstance(value, Tensor)}
    extra = {name: value for name, value in lightning["state_dict"].items() if name not in weights}
    rest = {
        key: value
        for key, value in lightning.items()
        if key not in (*ARGUMENTS, *ARGUMENTS_OF_DATA, "state_dict")
    }
    rest["extra_state"] = extra
    tensors: list[Tensor] = []
    text = json.dumps({key: apart(value, tensors, f"checkpoint[{key!r}]") for key, value in rest.items()})
    # Clones, because safetensors takes no two names for one memory, as tied weights are.
    state = {f"model/{name}": tensor.clone() for name, tensor in weights.items()}
    state |= {f"rest/{index}": tensor.clone() for index, tensor in enumerate(tensors)}
    return state | {"rest": torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)}


def read(path: Path, number: int) -> dict[str, Any]:
    """Lightning's checkpoint of a lane, and `ended`. Raises ValueError if the file does not hold the lane."""
    state = checkpoint.lane(path, number)
    tensors = [state[f"rest/{index}"] for index in range(sum(key.startswith("rest/") for key in state))]
    rest = json.loads(state["rest"].numpy().tobytes())
    lightning = {key: whole(value, tensors) for key, value in rest.items()}
    model = {key.removeprefix("model/"): value for key, value in state.items() if key.startswith("model/")}
    return {**lightning, "state_dict": {**model, **lightning["extra_state"]}}


def seed_all(seed: int) -> None:
    """Seeds whatever a module or its data may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seeded_setup(data: L.LightningDataModule, seed: int) -> L.LightningDataModule:
    """The data, whose `setup` draws the same splits for every trial, in validation as in training."""
    setup = data.setup

    def setup_seeded(stage: str) -> None:
        seed_all(seed)
        setup(stage)

    data.setup = setup_seeded  # type: ignore[method-assign]
    return data
