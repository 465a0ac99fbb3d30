"""Recorded calls: on a GPU the launches of a call as one CUDA graph, without the work of Python before each.

A step of a small model on a GPU is bound by that work, of some 200 operations. A CUDA graph repeats the
launches at the same addresses ("CUDA Graphs" in PyTorch's notes on CUDA). It also repeats the values that
Python had computed: so a step that reads the number of its batch or of the step can't be recorded.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol, TypeVar, final

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from trainables.training.kept_tensors import tensors
from trainables.training.packs.logged import Logged
from trainables.training.packs.update import FixedGradients, Gradients

T = TypeVar("T")


class Record(Protocol):
    """Records a function. Calls of the recorded one return the results with new values."""

    def __call__(self, function: Callable[[], T]) -> Callable[[], T]: ...


def cuda_graph(function: Callable[[], T]) -> Callable[[], T]:
    """A Record: its calls return the same tensors. Recording runs no kernel.

    Raises any exception of the function, and RuntimeError for what can't be recorded, as waiting for the GPU.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU
        results = function()

    def replay() -> T:
        graph.replay()
        return results

    return replay


def recorder(device: torch.device) -> Record | None:
    """How calls on a device are recorded; None if they can't be."""
    return cuda_graph if device.type == "cuda" else None


@final
class Unread:
    """Stands for a number that differs between calls of a recorded function; ValueError if it is read."""

    def _refuse(self, *others: object) -> NoReturn:
        raise ValueError("the training step reads the number of its batch or step")

    __eq__ = __ne__ = __bool__ = __hash__ = __str__ = __repr__ = __format__ = _refuse  # others: TypeError


@final
class RecordedPass:
    """The gradients of batches that are like one: `function(content, index)`, recorded.

    Raises ValueError if the batch holds more than tensors, and as `record`.
    """

    def __init__(
        self, function: Callable[[Any, Any], tuple[Gradients, Logged]], content: Any, record: Record
    ) -> None:
        self.layout = layout(content)
        self.content = apply_to_collection(content, Tensor, Tensor.clone)  # at fixed addresses

        def fixed() -> tuple[Gradients, Logged]:
            gradients, logged = function(self.content, Unread())
            return FixedGradients(gradients), logged

        self.call = record(fixed)

    def takes(self, content: Any) -> bool:
        """Whether a batch is like the recorded one."""
        return layout(content) == self.layout

    def gradients(self, content: Any) -> tuple[Gradients, Logged]:
        """Those of a batch that it takes; the next call overwrites them."""
        for own, new in zip(tensors(self.content), tensors(content), strict=True):
            own.copy_(new, non_blocking=True)
        return self.call()


def layout(content: Any) -> Any:
    """Shapes, types and devices of the tensors of a batch. Raises ValueError if it holds anything else."""
    if isinstance(content, Tensor):
        return content.shape, content.stride(), content.dtype, content.device
    if isinstance(content, Mapping):
        return {name: layout(part) for name, part in content.items()}
    if isinstance(content, tuple | list):
        return [layout(part) for part in content]
    raise ValueError(f"a batch holds {type(content).__name__}, which a recorded step can't be given")
