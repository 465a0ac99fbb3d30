"""The floating-point precision of training."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch


def precision(mixed: bool) -> Literal["bf16-mixed", "32-true"]:
    """Lightning's name of the precision: bf16 autocast if `mixed` and supported by the device, or float32."""
    return "bf16-mixed" if mixed and has_bf16() else "32-true"


def has_bf16() -> bool:
    """Whether the device multiplies bf16 in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # PyTorch has no public probe for CPUs; checked against torch 2.15.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Context manager: turns autocast off for a device, if there is one (not on the meta device)."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


@contextmanager
def without_tf32(device: torch.device) -> Iterator[None]:
    """In the block, float32 products on a GPU have the full precision, not the ten bits of TF32.

    PyTorch takes TF32 for convolutions unless it is told not to.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    kinds: list[Any] = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.fp32_precision = value
