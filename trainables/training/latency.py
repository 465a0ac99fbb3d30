"""Latency: the time that a model takes for one sample."""

import inspect
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from spaces.messages import describe
from trainables.training.isolated_copy import isolated_copy
from trainables.training.kept_tensors import tensors

Call = Callable[[Any], Any]  # of a batch
REPETITIONS = 5  # at least
SECONDS = 0.01  # of repetitions; slow models take longer, because of REPETITIONS


def latency_ms(
    module: L.LightningModule, trainer: L.Trainer, sample: Any, *, inference_mode: bool = True
) -> float:
    """Median time in milliseconds of one call with a batch of one sample, on the device of the module.

    The call is the first that works of `calls`. It runs in evaluation mode, in the trainer's precision, with
    the threads of the training, and until the GPU has finished. The first call, a warm-up, is not counted.
    It runs on a copy, so the module does not change. `inference_mode=False` uses `torch.no_grad`.

    Raises ValueError if no call works, and any exception of copying the module.
    """
    copied = isolated_copy(module, trainer).eval()
    with trainer.precision_plugin.forward_context(), torch.inference_mode(inference_mode), torch.no_grad():
        call = first_that_works(copied, sample)
        times: list[float] = []
        while len(times) < REPETITIONS or sum(times) < SECONDS:
            times.append(seconds(call, first_sample(sample)))  # a fresh one: steps may change their batch
    return 1000 * statistics.median(times)


def first_that_works(module: L.LightningModule, sample: Any) -> Call:
    """The first of `calls` that raises nothing. Raises ValueError with all errors if there is none."""
    errors = []
    for name, call in calls(module):
        try:
            seconds(call, first_sample(sample))
        except Exception as error:  # the next one may work
            errors.append(f"{name}: {describe(error)}")
        else:
            return call
    raise ValueError("; ".join(errors) or "it defines no predict_step, forward or validation_step")


def calls(module: L.LightningModule) -> Iterator[tuple[str, Call]]:
    """The ways to run a module on a batch that its class defines, by name, the most useful first.

    `predict_step` (of a Learner: `forward` on the inputs), `forward` on the first entry of the batch or on
    the whole batch if it is no sequence, `validation_step`.
    """
    if defines(module, "predict_step"):
        yield "predict_step", step(module.predict_step)
    if defines(module, "forward"):
        yield "forward", lambda batch: module(batch[0] if isinstance(batch, tuple | list) else batch)
    if defines(module, "validation_step"):
        yield "validation_step", step(module.validation_step)


def defines(module: L.LightningModule, name: str) -> bool:
    """Whether the class of a module has a method of its own."""
    return getattr(type(module), name) is not getattr(L.LightningModule, name)


def step(method: Callable[..., Any]) -> Call:
    """A step as a function of the batch alone; the indices of batch and loader are 0."""
    count = positional(method)
    return lambda batch: method(*(batch, 0, 0)[:count])


def positional(method: Callable[..., Any]) -> int:
    """How many of (batch, batch_idx, dataloader_idx) a step takes: the number of its positional arguments.

    Two if it takes any number of them.
    """
    kinds = [parameter.kind for parameter in inspect.signature(method).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 2
    return sum(
        kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds
    )


def first_sample(batch: Any) -> Any:
    """A batch of the first sample of a batch: each tensor's first row; tensors without dimensions stay.

    Raises ValueError if the batch has no tensors, or they do not have the same number of rows.
    """
    rows = {len(tensor) for tensor in tensors(batch) if tensor.dim()}
    if len(rows) != 1:
        found = f"tensors with {', '.join(map(str, sorted(rows)))} rows" if rows else "no tensors"
        raise ValueError(f"its batches have {found}, so their samples can't be told apart")
    return apply_to_collection(batch, Tensor, lambda tensor: tensor[:1].clone() if tensor.dim() else tensor)


def seconds(function: Callable[..., object], *arguments: Any) -> float:
    """Seconds of one call, until the GPU has finished."""
    began = time.perf_counter()
    function(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began
