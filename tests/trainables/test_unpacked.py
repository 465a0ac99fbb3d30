"""Packed files that stand for more than the memory of the machine are refused before they are unpacked."""

import gzip
import resource
import struct

import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.trainables.mnist.idx_files import packed
from trainables.mnist import idx, inputs
from trainables.slices.volumes import files

ZEROS = 300_000_000  # bytes
GROWTH = 100  # megabytes that a refusal may take


@pytest.fixture(scope="module")
def zeros():
    """Many zeros as a member of a gzip file. A file may have several members."""
    return gzip.compress(bytes(ZEROS), 1, mtime=0)


@pytest.fixture
def refused():
    """`refused(read, path, reason)`: reading ends in one line, and takes little memory."""

    def check(read, path, reason):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ValueError, match=reason) as caught:
            read(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < GROWTH

    return check


def test_idx(tmp_path, zeros, refused):
    path = tmp_path / "a-idx"
    path.write_bytes(gzip.compress(packed(np.zeros((3, 2, 2), np.uint8)), mtime=0) + zeros)
    refused(idx.read, path, "too long: 13 or more values, but its dimensions 3 x 2 x 2 need 12")
    header = struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**10, 2**10)
    path.write_bytes(gzip.compress(header, mtime=0) + zeros)
    refused(idx.read, path, "promise to unpack to 2,251,799,813,685,248")


def test_an_image_of_a_digit(tmp_path, refused):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "a.png")
    refused(
        lambda path: inputs.read(path, (1, 8, 8)), tmp_path / "a.png", "12000 x 12000 pixels, but the model"
    )


def read_volume(path):
    return files.read(path, 64, orientation="asr", voxel_um=25.0)


def nifti(folder, zeros):
    """NIfTI whose header promises 500 MB."""
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([0.1, 0.1, 0.1, 1]))
    data = bytearray(image.to_bytes())
    data[42:48] = struct.pack("<3h", 1000, 1000, 500)
    path = folder / "a.nii.gz"
    path.write_bytes(gzip.compress(bytes(data), mtime=0) + zeros)
    return path


def nrrd_file(folder, zeros):
    """NRRD that holds more than its header promises."""
    path = folder / "a.nrrd"
    nrrd.write(str(path), np.zeros((2, 3, 4), np.uint8))
    head = path.read_bytes().partition(b"\n\n")[0]
    path.write_bytes(head + b"\n\n" + zeros)
    return path


def tiff(folder, zeros):
    """TIFF of one page that is said to have 2**34 pixels."""
    path = folder / "a.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(2**17, dtype=4)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (nifti, "promise to unpack to 500,000,000"),
        (nrrd_file, "unpacks to more than the 24 bytes that its header promises"),
        (tiff, "promise to unpack to 17,179,869,184"),
    ],
)
def test_volumes(tmp_path, zeros, refused, make, reason):
    refused(
        lambda path: files.read(path, 64, orientation="asr", voxel_um=25.0), make(tmp_path, zeros), reason
    )


def test_a_nrrd_that_names_another_file_is_refused(tmp_path, refused):
    (tmp_path / "other.raw").write_bytes(bytes(24))
    path = tmp_path / "a.nrrd"
    for line, reason in (
        ("data file: other.raw", "another file"),
        ("line skip: 99999999", "do not begin behind"),
    ):
        text = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n{line}\n\n"
        path.write_bytes(text.encode() + bytes(24))
        refused(read_volume, path, reason)
