"""The loaders of a pack pass on where indexed batches may lie."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from trainables.training.device_tensors import Place
from trainables.training.packs.loaders import Loaders

PLACE = Place(torch.device("meta"), 2**20)


class Data(L.LightningDataModule):
    """Eight numbers; `collate` as of a DataLoader."""

    def __init__(self, collate=None):
        super().__init__()
        self.collate = collate

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.arange(8.0)), 4, collate_fn=self.collate)


@pytest.mark.parametrize(
    ("collate", "place", "device"),
    [(None, PLACE, "meta"), (None, None, "cpu"), (torch.utils.data.dataloader.default_convert, PLACE, "cpu")],
    ids=["a place", "none", "not indexed"],
)
def test_batches_lie_at_the_place_where_they_are_indexed(collate, place, device):
    loaders, data = Loaders({}), Data(collate)
    for epoch in range(2):
        batches = list(loaders.batches(data, "train", epoch, place))
        assert len(batches) == 2
        assert {batch[0][0].device.type for batch in batches} == {device}
