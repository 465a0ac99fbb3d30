"""Memory of a worker: freed blocks stay allocated, permanent objects are exempt from garbage collection."""

import atexit
import ctypes
import functools
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from spaces.lane import OutOfMemory
from spaces.messages import one_line

ALLOCATOR = "DefaultCPUAllocator"  # begins PyTorch's message of an allocation on the CPU that has failed
# Options of glibc's mallopt (malloc.h). By default glibc maps each large tensor from the system and unmaps it
# when it is freed, so every step pays again for the same pages.
OPTIONS = {
    -8: 1,  # M_ARENA_MAX: later threads share the main heap
    -3: 1 << 30,  # M_MMAP_THRESHOLD: blocks below 1 GiB come from the heap
    -2: 64 << 20,  # M_TOP_PAD: heaps grow and shrink by at least 64 MiB
    -1: (1 << 31) - 1,  # M_TRIM_THRESHOLD: free memory at the end of the heap stays
}


@contextmanager
def memory_errors() -> Iterator[None]:
    """Context manager: raises OutOfMemory for an allocation that fails in the block, on any device."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(one_line(error)) from error
    except RuntimeError as error:
        if ALLOCATOR not in str(error):
            raise
        raise OutOfMemory(one_line(error)) from error


@functools.cache
def keep_memory() -> bool:
    """Makes this process's allocator keep freed memory. Returns whether it could (glibc only)."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and all([library.mallopt(*option) for option in OPTIONS.items()])


def free_memory() -> None:
    """Returns the memory of the last job to the system; for use between jobs."""
    gc.collect()  # modules and trainers refer to each other
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def importing() -> Iterator[None]:
    """Context manager for the first import of PyTorch: exempts its objects from garbage collection.

    PyTorch and Lightning create half a million permanent objects. Collection takes a fifth of the import's
    time, and afterwards, as every job collects, a fifth of a second each time.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # else extension modules complain that they can't clean up
