"""device_memory(): how much of its GPU's memory this process takes."""

import torch

from spaces.lane import DeviceMemory


def device_memory() -> DeviceMemory | None:
    """What this process has taken of its GPU at most, and what is in use there besides; None without a GPU.

    Blocks that PyTorch keeps for later count, for no other process can have them.
    """
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return shares(free, total, torch.cuda.memory_reserved(), torch.cuda.max_memory_reserved())


def shares(free: int, total: int, reserved: int, peak: int) -> DeviceMemory:
    """The shares, from bytes: free and in all by the driver, and held by PyTorch, now and at most."""
    return DeviceMemory(peak / total, max(0, total - free - reserved) / total)
