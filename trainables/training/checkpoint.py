"""A job's checkpoint: the lanes of a pack in one safetensors file, each lane readable alone.

A key is `<lane number>/<model|optimizer>/<name>`. The file is written to a temporary name and renamed,
so that a reader never sees half of it, and nothing in it is ever unpickled.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

State = dict[str, Tensor]


class Unwritable(OSError):
    """A checkpoint can't be written: the disk is full, say. No fault of what was trained."""


def state(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Everything a lane needs to go on: parameters, buffers, and the optimizer's moments by name."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = tensor
    return tensors


def restore(module: torch.nn.Module, optimizer: torch.optim.Optimizer, path: Path, number: int) -> None:
    """Puts lane `number` of a checkpoint into a module and its optimizer, a tensor at a time.

    Raises ValueError if the file does not hold that lane.
    """
    with safe_open(path, framework="pt") as file, torch.no_grad():
        keys = {key.partition("/")[2]: key for key in file.keys() if key.startswith(f"{number}/")}  # noqa: SIM118
        if not keys:
            raise ValueError(f"the checkpoint {path} holds no trial {number}")
        for name, tensor in module.state_dict().items():
            tensor.copy_(file.get_tensor(keys[f"model/{name}"]))
        for name, parameter in module.named_parameters():
            prefix = f"optimizer/{name}/"
            moments = {key.removeprefix(prefix): keys[key] for key in keys if key.startswith(prefix)}
            if moments:
                optimizer.state[parameter] = {
                    moment: laid_out_as(parameter, file.get_tensor(key)) for moment, key in moments.items()
                }


def lanes(path: Path) -> set[int]:
    """The numbers of the lanes that a checkpoint holds."""
    with safe_open(path, framework="pt") as file:
        return {int(key.partition("/")[0]) for key in file.keys()}  # noqa: SIM118


def lane(path: Path, number: int) -> State:
    """All that is kept of lane `number`. Raises ValueError if it is not in the file."""
    prefix = f"{number}/"
    with safe_open(path, framework="pt") as file:
        found = {key.removeprefix(prefix): key for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
        if not found:
            raise ValueError(f"the checkpoint {path} holds no trial {number}")
        return {name: file.get_tensor(key) for name, key in found.items()}


def weights(path: Path, number: int) -> State:
    """The parameters and buffers of lane `number`, by name. Raises ValueError if it is not in the file."""
    state = lane(path, number)
    return {key.removeprefix("model/"): tensor for key, tensor in state.items() if key.startswith("model/")}


def laid_out_as(parameter: Tensor, moment: Tensor) -> Tensor:
    """The moment on the parameter's device and with its strides: AdamW's fused kernel walks both as one."""
    if moment.shape != parameter.shape:
        return moment.to(parameter.device)  # the step, a scalar
    return torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)


def save(path: Path, lanes: Mapping[int, State]) -> None:
    """Writes the state of each lane, by its number, whole or not at all. Raises Unwritable."""
    tensors = {
        f"{number}/{key}": tensor.detach().cpu().contiguous()
        for number, lane in lanes.items()
        for key, tensor in lane.items()
    }
    write(path, tensors)


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise Unwritable(f"the checkpoint {path} can't be written: {error}") from error


def merge(parts: Sequence[Path], path: Path) -> None:
    """Makes one checkpoint of several, whose lanes differ, and deletes them."""
    tensors = {name: tensor for part in parts for name, tensor in load_file(part).items()}
    if tensors:
        write(path, tensors)
    for part in parts:
        part.unlink()
