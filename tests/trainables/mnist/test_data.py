"""Images and labels as batches: splits, order, the files that are opened, and the facts of the data."""

from pathlib import Path

import pytest
import torch

from tests.conftest import DATA
from tests.trainables.mnist.idx_files import make_pair
from trainables.mnist import prepare
from trainables.mnist.data import ImageSet, MnistData

MNIST = DATA / "mnist"


def rows(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}


def test_white_is_one() -> None:
    images, labels = next(iter(MnistData(batch_size=32).train_dataloader()))
    assert (images.shape, images.dtype) == ((32, 1, 8, 8), torch.float32)
    assert (labels.shape, labels.dtype) == ((32,), torch.int64)
    assert (images.min(), images.max()) == (0, 1)


def test_a_batch_is_its_items() -> None:
    images = MnistData().split("val")
    batch = images.__getitems__([3, 1, 2])
    assert len(images) == 180
    for row, index in enumerate([3, 1, 2]):
        assert torch.equal(batch[0][row], images[index][0])
        assert torch.equal(batch[1][row], images[index][1])
    loader = torch.utils.data.DataLoader(images, 50, collate_fn=lambda batch: batch)
    assert [len(labels) for _, labels in loader] == [50, 50, 50, 30]


def test_splits_are_complete_disjoint_and_fixed_by_the_seed(tmp_path: Path) -> None:
    data = MnistData(root=str(make_pair(tmp_path, count=203)))
    parts = [data.split(name) for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [163, 20, 20]
    assert len(set.union(*map(rows, parts))) == 203
    same = MnistData(root=str(tmp_path), source="idx", batch_size=8)
    assert same.split("val") is parts[1]
    assert rows(MnistData(root=str(tmp_path), seed=1).split("val")) != rows(parts[1])


def test_image_and_label_stay_together(tmp_path: Path) -> None:
    make_pair(tmp_path, count=40)
    images, labels = prepare.load("idx", tmp_path)
    label_of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for name in "train", "val", "test":
        part = MnistData(root=str(tmp_path)).split(name)
        for image, label in zip(part.images, part.labels, strict=True):
            assert label_of[image.numpy().tobytes()] == label


def test_test_files_are_opened_only_to_test(tmp_path: Path) -> None:
    make_pair(make_pair(tmp_path, "train", 60), "t10k", 12)
    images = tmp_path / "t10k-images-idx3-ubyte.gz"
    content = images.read_bytes()
    images.write_bytes(b"broken")
    options = prepare.prepare({"root": str(tmp_path)})
    data = MnistData(options["source"], options["root"])
    data.facts()
    assert [len(data.split(name)) for name in ("train", "val")] == [54, 6]
    for loader in data.train_dataloader(), data.val_dataloader(), data.predict_dataloader():
        next(iter(loader))
    with pytest.raises(ValueError, match="no magic number"):
        data.test_dataloader()
    images.write_bytes(content)
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 12


def test_test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    make_pair(make_pair(tmp_path, "train", side=6), "t10k", side=7)
    with pytest.raises(ValueError, match="differ from the training images in size"):
        MnistData(root=str(tmp_path)).test_dataloader()


def test_batches_depend_on_seed_and_epoch_only() -> None:
    def epoch(number: int, seed: int = 0) -> torch.Tensor:
        batches = MnistData(seed=seed, batch_size=100).train_dataloader()
        batches.epoch = lambda: number
        return torch.cat([labels for _, labels in batches])

    assert len(epoch(0)) == 1400  # of 1,437: the rest makes no whole batch
    assert torch.equal(epoch(3), epoch(3))
    assert not torch.equal(epoch(3), epoch(4))
    assert not torch.equal(epoch(3), epoch(3, seed=1))


def test_facts_hold_the_constant_predictions(tmp_path: Path) -> None:
    data = MnistData(root=str(make_pair(tmp_path, count=100, side=5)))
    facts = data.facts()
    train, val = data.split("train"), data.split("val")
    assert (facts["n_classes"], facts["image_shape"]) == (5, (1, 5, 5))
    accuracy = (val.labels == train.labels.mode().values).float().mean()
    assert facts["baseline_accuracy"] == pytest.approx(float(accuracy))
    assert facts["baseline_neighbour"] == facts["baseline_accuracy"]
    error = val.images / 255 - (train.images / 255).mean(0)
    rmse = (error**2).mean((1, 2, 3)).sqrt().mean()
    assert facts["baseline_rmse"] == pytest.approx(float(rmse), rel=1e-5)


@pytest.mark.skipif(not MNIST.is_dir(), reason="the real MNIST files are not there")
def test_the_real_files() -> None:
    data = MnistData(root=str(MNIST))
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [8000, 1000, 1000]
    facts = data.facts()
    assert (facts["n_classes"], facts["image_shape"]) == (10, (1, 28, 28))
    assert 0.05 < facts["baseline_accuracy"] < 0.2
    assert 0.2 < facts["baseline_rmse"] < 0.3
