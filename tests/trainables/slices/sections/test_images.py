"""What is said of unusual image files, and what is refused."""

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


def kinds_of(path: Path) -> tuple[str, ...]:
    """The kinds of an image that shows the ramp, which is asserted."""
    found = decode(path, (30,))
    expected = np.asarray(Image.fromarray(RAMP).resize((30, 30), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(found.pixels[0].astype(int) - expected).max() <= 4
    assert (found.width, found.height) == (90, 60)
    return found.kinds


def test_usual_files_are_nothing_to_speak_of(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    Image.fromarray(COLOUR).save(tmp_path / "colour.jpg", quality=98)
    tifffile.imwrite(tmp_path / "colour.tif", COLOUR, photometric="rgb")
    assert [kinds_of(path) for path in sorted(tmp_path.iterdir())] == [(), (), ()]


def test_unusual_files_are_read_and_named(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP)
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    assert kinds_of(tmp_path / "cmyk.tif") == kinds_of(tmp_path / "cmyk.jpg") == ("CMYK",)
    grey.convert("P").save(tmp_path / "palette.png")
    grey.convert("P").save(tmp_path / "palette.tif")
    for name in ("palette.png", "palette.tif"):
        assert kinds_of(tmp_path / name) == ("colours from a palette",)
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([RAMP, 255 - RAMP, RAMP]), photometric="minisblack")
    assert kinds_of(tmp_path / "pages.tif") == (PAGES,)
    grey.save(tmp_path / "moving.png", save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    assert kinds_of(tmp_path / "moving.png") == (PAGES,)
    grey.save(tmp_path / "moving.gif", save_all=True, append_images=[Image.fromarray(255 - RAMP)])
    assert PAGES in kinds_of(tmp_path / "moving.gif")


def test_16_bits_are_as_many_as_the_camera_filled(tmp_path: Path) -> None:
    """A camera's 12 bits in a 16-bit file would be black if white were 65,535."""
    for bits in (16, 14, 12):
        values = (RAMP.astype(np.float64) / 255 * (2**bits - 1)).round().astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{bits}.tif", values)
        said = "16 bits" if bits == 16 else f"16 bits, of which {bits} are used"
        assert kinds_of(tmp_path / f"{bits}.tif") == (said,)
    seen = np.dstack([values] * 3 + [np.full_like(values, 65535)])
    seen[30:, :, 3] = 0
    tifffile.imwrite(tmp_path / "rgba.tif", seen, photometric="rgb", extrasamples=["unassalpha"])
    assert (read_image(tmp_path / "rgba.tif", 60)[31:] == 255).all()
    assert read_image(tmp_path / "rgba.tif", 60)[:29].max() < 255


def png(width: int, height: int) -> bytes:
    """A PNG of that size, as far as its head says; there are no pixels in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "says"),
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
def test_what_is_no_section_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_image(tmp_path / name, 32)
    assert says in str(caught.value)
    assert f"section {name} " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_pixel_and_huge_tiffs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "pixel.tif", np.zeros((1, 1), dtype=np.uint8))
    with pytest.raises(ValueError, match="1 x 1 pixels"):
        read_image(tmp_path / "pixel.tif", 32)
    tifffile.imwrite(tmp_path / "huge.tif", RAMP)
    monkeypatch.setattr(images, "MOST", RAMP.size - 1)
    with pytest.raises(ValueError, match="90 x 60 pixels are more than 5,399"):
        read_image(tmp_path / "huge.tif", 32)


def test_large_jpeg_is_decoded_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Image.fromarray(RAMP).resize((1600, 1200))
    large.save(tmp_path / "large.jpg", quality=95)
    monkeypatch.setattr(images, "MOST", 400 * 300)  # a quarter of the sides is still four times what is asked
    found = decode(tmp_path / "large.jpg", (32,))
    assert (found.width, found.height) == (1600, 1200)
    expected = np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(found.pixels[0].astype(int) - expected).max() <= 4


def test_large_images_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RAMP).save(tmp_path / "large.png")
    tifffile.imwrite(tmp_path / "large.tif", RAMP)
    monkeypatch.setattr(images, "LARGE", RAMP.size - 1)
    for name in ("large.png", "large.tif"):
        turns = []

        class Lock:
            def __enter__(self, turns: list[str] = turns) -> None:
                turns.append("in")

            def __exit__(self, *_: object) -> None:
                pass

        monkeypatch.setattr(images, "_one_large", Lock())
        assert kinds_of(tmp_path / name) == ()
        assert turns == ["in"]


def test_several_sizes_come_from_one_decoding(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    small, large = decode(tmp_path / "grey.png", (20, 50)).pixels
    assert (small.shape, large.shape) == ((20, 20), (50, 50))
    np.testing.assert_array_equal(small, read_image(tmp_path / "grey.png", 20))
