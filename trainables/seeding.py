"""Seeds of the global random generators, from which modules, data and dropout draw."""

import random

import lightning as L
import numpy as np
import torch

from spaces.seeds import derive_seed

AFTER = 1  # key of the seed for what is drawn when the data is there


def seed_all(seed: int) -> None:
    """Seeds the generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seeded_setup(data: L.LightningDataModule, seed: int) -> L.LightningDataModule:
    """Seeds all generators before each `data.prepare_data` and `setup`, so every trial gets the same splits.

    And after them: what follows is the same where the data is kept and they have nothing to do.
    """
    prepare_data, setup = data.prepare_data, data.setup

    def prepare_seeded() -> None:
        seed_all(seed)
        prepare_data()
        seed_all(derive_seed(seed, AFTER))

    def setup_seeded(stage: str) -> None:
        seed_all(seed)
        setup(stage)
        seed_all(derive_seed(seed, AFTER))

    data.prepare_data = prepare_seeded  # type: ignore[method-assign]
    data.setup = setup_seeded  # type: ignore[method-assign]
    return data
