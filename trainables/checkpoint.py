"""A job's checkpoint: the lanes of a pack in one safetensors file, each lane readable alone.

A key is `<lane number>/<model|optimizer>/<name>`. The file is written to a temporary name and renamed,
so that a reader never sees half of it, and nothing in it is ever unpickled.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

State = dict[str, Tensor]


def state(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Everything a lane needs to go on: parameters, buffers, and the optimizer's moments by name."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = tensor
    return tensors


def restore(module: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: State) -> None:
    """Puts `state` back into a module and its optimizer."""
    module.load_state_dict(
        {key.removeprefix("model/"): value for key, value in tensors.items() if key.startswith("model/")}
    )
    for name, parameter in module.named_parameters():
        prefix = f"optimizer/{name}/"
        moments = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
        if moments:
            optimizer.state[parameter] = {key: laid_out_as(parameter, t) for key, t in moments.items()}


def laid_out_as(parameter: Tensor, moment: Tensor) -> Tensor:
    """The moment on the parameter's device and with its strides: AdamW's fused kernel walks both as one."""
    if moment.shape != parameter.shape:
        return moment.to(parameter.device)  # the step, a scalar
    return torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)


def save(path: Path, lanes: Mapping[int, State]) -> None:
    """Writes the state of each lane, by its number, whole or not at all."""
    tensors = {
        f"{number}/{key}": tensor.detach().cpu().contiguous()
        for number, lane in lanes.items()
        for key, tensor in lane.items()
    }
    write(path, tensors)


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary)
    temporary.replace(path)


def merge(parts: Sequence[Path], path: Path) -> None:
    """Makes one checkpoint of several, whose lanes differ, and deletes them."""
    tensors = {name: tensor for part in parts for name, tensor in load_file(part).items()}
    if tensors:
        write(path, tensors)
    for part in parts:
        part.unlink()


def load(path: Path, number: int) -> State:
    """The state of one lane. Raises ValueError if the file does not hold that lane."""
    prefix = f"{number}/"
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
        tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    if not tensors:
        raise ValueError(f"the checkpoint {path} holds no trial {number}")
    return tensors
