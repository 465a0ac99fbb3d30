"""OwnLoaders: the loaders of a module that comes without a LightningDataModule."""

from typing import Any, final

import lightning as L
from lightning.pytorch.utilities.model_helpers import is_overridden


@final
class OwnLoaders(L.LightningDataModule):
    """Passes on the loaders of a module; none for validation if it has none there.

    Lightning itself calls `prepare_data` and `setup` of the module.
    """

    def __init__(self, module: L.LightningModule) -> None:
        super().__init__()
        self.module = module

    def train_dataloader(self) -> Any:
        return self.module.train_dataloader()

    def val_dataloader(self) -> Any:
        return self.module.val_dataloader() if is_overridden("val_dataloader", self.module) else []

    def test_dataloader(self) -> Any:
        return self.module.test_dataloader()
