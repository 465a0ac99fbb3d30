"""Seeds of the global random generators, from which modules, data and dropout draw."""

import random

import lightning as L
import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seeds the generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seeded_setup(data: L.LightningDataModule, seed: int) -> L.LightningDataModule:
    """Seeds all generators before each `data.setup`, so every trial and stage gets the same splits."""
    setup = data.setup

    def setup_seeded(stage: str) -> None:
        seed_all(seed)
        setup(stage)

    data.setup = setup_seeded  # type: ignore[method-assign]
    return data
