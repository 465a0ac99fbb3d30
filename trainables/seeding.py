"""Seeds of the global random generators, from which modules, data and dropout draw."""

import random

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.seed import isolate_rng

from spaces.seeds import derive_seed

AFTER = 1  # key of the seed for what is drawn when the data is there
MODEL = 2  # and for the weights that `configure_model` draws, which should not repeat those of `__init__`


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


def seed_configure_model(module: L.LightningModule, seed: int) -> None:
    """Has `configure_model` draw from `seed`, that of the trial; the generators are afterwards as before."""
    if not is_overridden("configure_model", module):
        return
    configure_model = module.configure_model

    def configure_seeded() -> None:
        with isolate_rng():
            seed_all(derive_seed(seed, MODEL))
            configure_model()

    module.configure_model = configure_seeded  # type: ignore[method-assign]
