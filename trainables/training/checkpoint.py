"""The checkpoint of a job: all its lanes in one safetensors file, each readable alone.

Keys are `<lane number>/<model|optimizer>/<name>`. A file is written under a temporary name and renamed, so
readers never see an incomplete one. Nothing in it is unpickled.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from results.files import replacing
from spaces.lane import StorageError

State = dict[str, Tensor]


def state(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """State of a lane at a pause: parameters, buffers, and the optimizer's moments, by name."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = tensor
    return tensors


def restore(module: torch.nn.Module, optimizer: torch.optim.Optimizer, path: Path, number: int) -> None:
    """Loads lane `number` of a checkpoint into a module and its optimizer, tensor by tensor.

    Raises ValueError if the file can't be read, lacks that lane, or has tensors of other shapes.
    """
    with opened(path) as file, torch.no_grad():
        keys = lane_keys(list(file.keys()), path, number)
        for name, tensor in module.state_dict().items():
            stored = file.get_tensor(keys[f"model/{name}"])
            if stored.shape != tensor.shape:
                raise ValueError(f"{path} has {name} of {tuple(stored.shape)}, not {tuple(tensor.shape)}")
            tensor.copy_(stored)
        for name, parameter in module.named_parameters():
            prefix = f"optimizer/{name}/"
            moments = {key.removeprefix(prefix): keys[key] for key in keys if key.startswith(prefix)}
            if moments:
                optimizer.state[parameter] = {
                    moment: laid_out_like(parameter, file.get_tensor(key)) for moment, key in moments.items()
                }


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A checkpoint to read from. What fails in the block because the file is damaged is a ValueError."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, LookupError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"the checkpoint {path} can't be read: it is missing or damaged ({reason}); restore it from a "
            "copy, or train its trial again with the command in the report"
        ) from error


def lane_keys(keys: Sequence[str], path: Path, number: int) -> dict[str, str]:
    """The keys of lane `number`, by their part after the number. Raises ValueError if there are none."""
    prefix = f"{number}/"
    own = {key.removeprefix(prefix): key for key in keys if key.startswith(prefix)}
    if not own:
        raise ValueError(f"the checkpoint {path} holds no trial {number}")
    return own


def lanes(path: Path) -> set[int]:
    """Numbers of the lanes in a checkpoint. Raises ValueError if the file can't be read."""
    with opened(path) as file:
        return {int(key.partition("/")[0]) for key in file.keys()}  # noqa: SIM118


def lane(path: Path, number: int) -> State:
    """The state of lane `number`. Raises ValueError if the file can't be read or lacks that lane."""
    with opened(path) as file:
        keys = lane_keys(list(file.keys()), path, number)
        return {name: file.get_tensor(key) for name, key in keys.items()}


def entry(path: Path, number: int, name: str) -> Tensor | None:
    """One entry of the state of lane `number`; None if it has none. Raises ValueError as `lane` does."""
    with opened(path) as file:
        key = lane_keys(list(file.keys()), path, number).get(name)
        return None if key is None else file.get_tensor(key)


def weights(path: Path, number: int) -> State:
    """Parameters and buffers of lane `number`, by name.

    Raises ValueError if the file can't be read or lacks that lane.
    """
    state = lane(path, number)
    return {key.removeprefix("model/"): tensor for key, tensor in state.items() if key.startswith("model/")}


def laid_out_like(parameter: Tensor, moment: Tensor) -> Tensor:
    """The moment on the device of the parameter and with its strides, as AdamW's fused kernel requires."""
    if moment.shape != parameter.shape:
        return moment.to(parameter.device)  # the step count, a scalar
    return torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)


def save(path: Path, lanes: Mapping[int, State]) -> None:
    """Writes the state of each lane, by number. Raises StorageError if the file can't be written."""
    tensors = {
        f"{number}/{key}": tensor.detach().cpu().contiguous()
        for number, lane in lanes.items()
        for key, tensor in lane.items()
    }
    write(path, tensors)


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes a safetensors file atomically. Raises StorageError if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(tensors, temporary)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"the checkpoint {path} can't be written: {error}") from error


def merge(parts: Sequence[Path], path: Path) -> None:
    """Merges checkpoints of different lanes into `path` and deletes them.

    Raises StorageError if `path` can't be written.
    """
    tensors = {name: tensor for part in parts for name, tensor in load_file(part).items()}
    if tensors:
        write(path, tensors)
    for part in parts:
        part.unlink()
