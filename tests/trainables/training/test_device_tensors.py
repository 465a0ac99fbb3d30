"""Items that stay on a device: the meta device stands for a GPU, and the CPU where values count."""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from trainables.training.dataset_tensors import dataset_tensors
from trainables.training.device_tensors import PART, DeviceTensors, Place, place_on
from trainables.training.indexed_loader import indexed
from trainables.training.kept_tensors import tensors

COUNT = 11
X, Y = torch.randn(COUNT, 3), torch.arange(COUNT)
CPU, META = torch.device("cpu"), torch.device("meta")
PLACE = Place(META, bytes=X.nbytes + Y.nbytes)


class Rows(Dataset):
    """Items that are read one by one."""

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return {"x": X[index], "label": int(Y[index])}


DATASETS = {
    "tensors": lambda: TensorDataset(X.clone(), Y.clone()),
    "subset": lambda: Subset(TensorDataset(torch.cat([X, X]), torch.cat([Y, Y])), range(COUNT, 2 * COUNT)),
    "read": Rows,
}


def devices(batches):
    """The kinds of devices of all tensors of a pass."""
    return {tensor.device.type for batch in batches for tensor in tensors(batch)}


def complete(dataset):
    """The items of the dataset, all of them read."""
    list(indexed(DataLoader(dataset, 4)))
    return dataset_tensors(dataset)


@pytest.mark.parametrize("make", DATASETS.values(), ids=DATASETS)
def test_batches_are_those_of_the_dataset_in_memory_of_their_own(make):
    items = complete(make())
    copy = DeviceTensors(items, CPU)
    for indices in ([3, 1, 1], torch.tensor([10]), [-1, 2]):
        batch, expected = copy.batch(indices), items.batch(indices)
        assert type(batch) is type(expected)
        torch.testing.assert_close(batch, expected, rtol=0, atol=0)
        [tensor.zero_() for tensor in tensors(batch)]
        torch.testing.assert_close(copy.batch(indices), expected, rtol=0, atol=0)


@pytest.mark.parametrize("make", DATASETS.values(), ids=DATASETS)
def test_a_pass_stays_on_the_device_where_its_items_have_room(make):
    dataset = make()
    complete(dataset)
    loader = indexed(DataLoader(dataset, 4, shuffle=True))
    assert devices(loader.batches(PLACE)) == {"meta"}
    assert devices(loader.batches(PLACE)) == {"meta"}
    assert devices(loader.batches(Place(META, PLACE.bytes))) == {"meta"}
    assert devices(loader) == devices(loader.batches(None)) == {"cpu"}
    other = indexed(DataLoader(dataset, 4))
    assert devices(other.batches(Place(META, PLACE.bytes - 1))) == {"cpu"}


def test_the_order_and_the_draws_are_those_of_the_loader():
    dataset = DATASETS["tensors"]()
    found = []
    for place in (None, Place(CPU, PLACE.bytes)):
        loader = indexed(DataLoader(dataset, 4, shuffle=True))
        torch.manual_seed(3)
        found.append(([list(loader.batches(place)) for _ in range(2)], torch.rand(1)))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_items_are_copied_once_they_were_all_read():
    dataset = Rows()
    loader = indexed(DataLoader(dataset, 4))
    assert devices(loader.batches(PLACE)) == {"cpu"}
    assert devices(loader.batches(PLACE)) == {"meta"}


def test_a_copy_is_made_once_and_again_when_the_items_have_changed():
    dataset = DATASETS["tensors"]()
    loader, place = indexed(DataLoader(dataset, COUNT)), Place(CPU, PLACE.bytes)
    (first,), kept = loader.batches(place), loader.on_device
    (again,) = loader.batches(place)
    assert loader.on_device is kept
    assert torch.equal(first[0], again[0])
    dataset.tensors[0].mul_(2)
    ((changed, _),) = loader.batches(place)
    assert torch.equal(changed, 2 * X)


def test_another_subset_is_another_copy():
    subset = Subset(TensorDataset(X), [0, 1, 2])
    loader, place = indexed(DataLoader(subset, COUNT)), Place(CPU, PLACE.bytes)
    assert torch.equal(next(loader.batches(place))[0], X[:3])
    subset.indices = [4, 5]
    assert torch.equal(next(loader.batches(place))[0], X[4:6])


def test_tensors_that_are_on_a_device_or_can_change_unseen_have_no_copy():
    assert dataset_tensors(TensorDataset(X.to(META))).mark() is None
    with torch.inference_mode():
        unseen = torch.ones(COUNT, 3)
    assert dataset_tensors(TensorDataset(unseen)).mark() is None


@pytest.mark.parametrize("device", [CPU, META], ids=str)
def test_only_a_gpu_is_a_place(device):
    assert place_on(device) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_has_room_for_a_part_of_its_free_memory():
    place = place_on(torch.device("cuda"))
    assert 0 < place.bytes <= torch.cuda.mem_get_info()[1] // PART
    dataset = DATASETS["tensors"]()
    assert devices(indexed(DataLoader(dataset, 4)).batches(place)) == {"cuda"}
