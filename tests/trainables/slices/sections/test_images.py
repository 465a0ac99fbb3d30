"""Image files: decoding of all formats, notes on unusual files, and refused files."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from trainables.slices.sections import images
from trainables.slices.sections.images import decode, read_image

RAMP = np.add.outer(np.linspace(20, 120, 60), np.linspace(20, 120, 90)).round().astype(np.uint8)
COLOUR = np.stack([RAMP] * 3, axis=-1)
PAGES = "several pages, of which the first is taken"


# Formats


def test_all_kinds_of_images_read_to_the_same_grey(tmp_path: Path) -> None:
    ramp = np.add.outer(np.linspace(0, 120, 60), np.linspace(0, 120, 90)).round().astype(np.uint8)
    colour = np.stack([ramp] * 3, axis=-1)
    opaque = np.concatenate([colour, np.full_like(ramp, 255)[..., None]], axis=-1)
    wide = ramp.astype(np.uint16) * 257
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "rgb.png")
    Image.fromarray(opaque).save(tmp_path / "rgba.png")
    Image.fromarray(wide).save(tmp_path / "grey16.png")
    Image.fromarray(colour).save(tmp_path / "rgb.jpg", quality=98)
    Image.fromarray(ramp).save(tmp_path / "grey.tif", compression="tiff_lzw")
    Image.fromarray(ramp).convert("P").save(tmp_path / "palette.png")
    tifffile.imwrite(tmp_path / "grey16.tif", wide)
    tifffile.imwrite(tmp_path / "grey16big.tif", wide, byteorder=">", bigtiff=True)
    tifffile.imwrite(tmp_path / "inverted16.tif", 65535 - wide, photometric="miniswhite")
    planes = np.moveaxis(colour, -1, 0).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "planes16.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "rgb16.tif", colour.astype(np.uint16) * 257, photometric="rgb")
    tifffile.imwrite(tmp_path / "rgb.tiff", colour, photometric="rgb", tile=(16, 16), compression="zlib")
    files = sorted(tmp_path.glob("*.*"))
    assert len(files) == 13
    expected = read_image(tmp_path / "grey.png", 32).astype(int)
    assert expected.shape == (32, 32)
    assert expected.max() - expected.min() > 200
    for file in files:
        difference = np.abs(read_image(file, 32).astype(int) - expected).max()
        assert difference <= (3 if file.suffix == ".jpg" else 1), file.name


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 4), dtype=np.uint8)
    pixels[:, 20:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    image = read_image(tmp_path / "half.png", 40)
    assert (image[:, :19] == 255).all()
    assert (image[:, 21:] == 0).all()


def test_fine_texture_is_averaged_not_aliased(tmp_path: Path) -> None:
    stripes = np.zeros((320, 320), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    image = read_image(tmp_path / "stripes.png", 32).astype(int)
    assert np.abs(image - 127).max() < 10


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((40, 40), dtype=np.float32))
    with pytest.raises(ValueError, match=r"section float\.tif can't be read as an image"):
        read_image(tmp_path / "float.tif", 32)


# Unusual files


def notes_of(path: Path) -> tuple[str, ...]:
    """The notes on an image file; asserts that the image shows the ramp."""
    image = decode(path, (30,))
    expected = np.asarray(Image.fromarray(RAMP).resize((30, 30), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(image.pixels[0].astype(int) - expected).max() <= 4
    assert (image.width, image.height) == (90, 60)
    return image.notes


def test_usual_files_have_no_notes(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    Image.fromarray(COLOUR).save(tmp_path / "colour.jpg", quality=98)
    tifffile.imwrite(tmp_path / "colour.tif", COLOUR, photometric="rgb")
    assert [notes_of(path) for path in sorted(tmp_path.iterdir())] == [(), (), ()]


def test_unusual_files_are_read_with_notes(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP)
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    assert notes_of(tmp_path / "cmyk.tif") == notes_of(tmp_path / "cmyk.jpg") == ("CMYK",)
    grey.convert("P").save(tmp_path / "palette.png")
    grey.convert("P").save(tmp_path / "palette.tif")
    for name in ("palette.png", "palette.tif"):
        assert notes_of(tmp_path / name) == ("colours from a palette",)
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([RAMP, 255 - RAMP, RAMP]), photometric="minisblack")
    assert notes_of(tmp_path / "pages.tif") == (PAGES,)
    grey.save(tmp_path / "moving.png", save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    assert notes_of(tmp_path / "moving.png") == (PAGES,)
    grey.save(tmp_path / "moving.gif", save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    assert PAGES in notes_of(tmp_path / "moving.gif")


def test_the_white_of_16_bits_is_that_of_the_bits_in_use(tmp_path: Path) -> None:
    """With 65,535 as white, a camera's 12 bits in a 16-bit file would be black."""
    for bits in (16, 14, 12):
        values = (RAMP.astype(np.float64) / 255 * (2**bits - 1)).round().astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{bits}.tif", values)
        note = "16 bits" if bits == 16 else f"16 bits, of which {bits} are used"
        assert notes_of(tmp_path / f"{bits}.tif") == (note,)
    rgba = np.dstack([values] * 3 + [np.full_like(values, 65535)])
    rgba[30:, :, 3] = 0
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert (read_image(tmp_path / "rgba.tif", 60)[31:] == 255).all()
    assert read_image(tmp_path / "rgba.tif", 60)[:29].max() < 255


def png(width: int, height: int) -> bytes:
    """A PNG with that size in its header, and no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", "the file is empty"),
        ("empty.tif", b"", "the file is empty"),
        ("text.jpg", b"Dear colleague,", "no known image format"),
        ("corrupt.png", png(50, 50), "can't be read"),
        ("corrupt.tif", b"II*\x00\x08\x00\x00\x00\xff", "can't be read"),
        ("pixel.png", png(1, 1), "it has 1 x 1 pixels, but must have 16 a side"),
        ("huge.png", png(20_000, 20_000), "20,000 x 20,000 pixels are more than 134,217,728; scale it down"),
    ],
)
def test_files_that_are_no_section_are_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_image(tmp_path / name, 32)
    assert message in str(caught.value)
    assert f"section {name} " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_pixel_and_huge_tiffs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "pixel.tif", np.zeros((1, 1), dtype=np.uint8))
    with pytest.raises(ValueError, match="1 x 1 pixels"):
        read_image(tmp_path / "pixel.tif", 32)
    tifffile.imwrite(tmp_path / "huge.tif", RAMP)
    monkeypatch.setattr(images, "MAX_PIXELS", RAMP.size - 1)
    with pytest.raises(ValueError, match="90 x 60 pixels are more than 5,399"):
        read_image(tmp_path / "huge.tif", 32)


def test_large_jpeg_is_decoded_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Image.fromarray(RAMP).resize((1600, 1200))
    large.save(tmp_path / "large.jpg", quality=95)
    # A quarter of the sides is over OVERSAMPLING times 32.
    monkeypatch.setattr(images, "MAX_PIXELS", 400 * 300)
    image = decode(tmp_path / "large.jpg", (32,))
    assert (image.width, image.height) == (1600, 1200)
    expected = np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(image.pixels[0].astype(int) - expected).max() <= 4


def test_large_images_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RAMP).save(tmp_path / "large.png")
    tifffile.imwrite(tmp_path / "large.tif", RAMP)
    monkeypatch.setattr(images, "LARGE_PIXELS", RAMP.size - 1)
    for name in ("large.png", "large.tif"):
        entries = []

        class Lock:
            def __enter__(self, entries: list[str] = entries) -> None:
                entries.append("in")

            def __exit__(self, *_: object) -> None:
                pass

        monkeypatch.setattr(images, "_large_image_lock", Lock())
        assert notes_of(tmp_path / name) == ()
        assert entries == ["in"]


def test_several_sizes_come_from_one_decoding(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    small, large = decode(tmp_path / "grey.png", (20, 50)).pixels
    assert (small.shape, large.shape) == ((20, 20), (50, 50))
    np.testing.assert_array_equal(small, read_image(tmp_path / "grey.png", 20))
