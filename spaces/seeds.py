"""Seeds derived from a key of integers, the same on every machine and in every version of Python."""

import numpy as np


def derive_seed(*key: int) -> int:
    """A seed in [0, 2**32) that depends on `key` alone: integers >= 0, at least one.

    Different keys give independent streams, keys of different lengths too: the first integer is the entropy
    of NumPy's SeedSequence, the others are its spawn key.
    https://numpy.org/doc/stable/reference/random/bit_generators/generated/numpy.random.SeedSequence.html
    """
    return int(np.random.SeedSequence(key[0], spawn_key=key[1:]).generate_state(1)[0])
