"""Memory: freed blocks are kept for the next step, and modules that stay are not searched for garbage."""

import atexit
import ctypes
import functools
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's names (malloc.h) and what we set. By default every large tensor is mapped from the system and
# unmapped again when it is freed, so each step pays for the same pages anew.
OPTIONS = {
    -8: 1,  # M_ARENA_MAX: threads to come share the main heap
    -3: 1 << 30,  # M_MMAP_THRESHOLD: blocks below 1 GiB come from the heap
    -2: 64 << 20,  # M_TOP_PAD: heaps grow and shrink by 64 MiB at least
    -1: (1 << 31) - 1,  # M_TRIM_THRESHOLD: the heap's free end stays
}


@functools.cache
def keep_memory() -> bool:
    """Tells the C library's allocator so, for this process; whether it could be told (glibc only)."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and all([library.mallopt(*option) for option in OPTIONS.items()])


def free_memory() -> None:
    """Hands back what the last job left: between jobs it is not worth keeping."""
    gc.collect()  # modules and trainers refer to each other, and Python alone is in no hurry
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def importing() -> Iterator[None]:
    """A block that loads PyTorch and what belongs to it, the first time without the garbage collector.

    PyTorch and Lightning make half a million objects that all stay. To go through them takes a fifth of the
    time of importing them, and a fifth of a second at every collection, of which each job needs one. So the
    collector rests here, and passes over them from then on.
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
        atexit.register(gc.unfreeze)  # or extension modules can't clean up after themselves, and complain
