import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capstone_worker.data.picture import MAX_PIXELS, SUFFIXES, PictureError, read_picture

RED, GREEN = (255, 0, 0), (0, 255, 0)


def two_pixels() -> Image.Image:
    """Red beside green, 16 x 8, so that every format's blocks are of one colour."""
    image = Image.new("RGB", (16, 8), RED)
    image.paste(GREEN, (8, 0, 16, 8))
    return image


def corners(path: Path, size: int = 8) -> tuple[list[int], list[int]]:
    """The upper left and the lower right pixel."""
    pixels = read_picture(path, size)
    assert pixels.shape == (3, size, size)
    assert pixels.dtype == np.uint8
    return pixels[:, 0, 0].tolist(), pixels[:, -1, -1].tolist()


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_ending_is_one_that_pillow_reads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix.upper()}"
    form = "PNG" if suffix == ".apng" else Image.registered_extensions()[suffix]
    image = {".pbm": two_pixels().convert("1", dither=Image.Dither.NONE), ".pgm": two_pixels().convert("L")}
    image.get(suffix, two_pixels()).save(path, form)
    first, last = corners(path)
    expected = {".pbm": ([0] * 3, [255] * 3), ".pgm": ([76] * 3, [150] * 3)}.get(suffix, ([*RED], [*GREEN]))
    np.testing.assert_allclose((first, last), expected, atol=8)


def test_torchvision_reads_no_ending_that_we_do_not() -> None:
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert set(IMG_EXTENSIONS) <= SUFFIXES


@pytest.mark.parametrize(
    "mode, color, expected",
    [
        ("1", 1, [255, 255, 255]),
        ("L", 7, [7, 7, 7]),
        ("LA", (7, 0), [7, 7, 7]),
        ("RGBA", (1, 2, 3, 0), [1, 2, 3]),
        ("I;16", 0x12FF, [0x12] * 3),
    ],
)
def test_modes_of_png_become_rgb(
    tmp_path: Path, mode: str, color: int | tuple[int, ...], expected: list[int]
) -> None:
    Image.new(mode, (8, 8), color).save(tmp_path / "image.png")
    assert corners(tmp_path / "image.png")[0] == expected


def test_palette_with_transparency(tmp_path: Path) -> None:
    palette = two_pixels().quantize(2)
    palette.save(tmp_path / "image.png", transparency=b"\x00\xff")
    np.testing.assert_allclose(corners(tmp_path / "image.png"), ([*RED], [*GREEN]), atol=2)


def test_sixteen_bit_portable_graymap(tmp_path: Path) -> None:
    (tmp_path / "image.pgm").write_bytes(b"P5 2 2 65535\n" + struct.pack(">4H", 0x1234, 0, 0, 0xFFFF))
    assert corners(tmp_path / "image.pgm", 2) == ([0x12] * 3, [0xFF] * 3)


def test_cmyk(tmp_path: Path) -> None:
    two_pixels().convert("CMYK").save(tmp_path / "image.jpg")
    np.testing.assert_allclose(corners(tmp_path / "image.jpg"), ([*RED], [*GREEN]), atol=8)


def test_turned_as_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    two_pixels().save(tmp_path / "image.png", exif=exif)
    assert corners(tmp_path / "image.png") == ([*GREEN], [*RED])


def test_malformed_exif_does_not_matter(tmp_path: Path) -> None:
    two_pixels().save(tmp_path / "image.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12torn")
    assert corners(tmp_path / "image.png") == ([*RED], [*GREEN])


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tiff", ".webp"])
def test_first_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    later = Image.new("RGB", (16, 8), (0, 0, 255))
    two_pixels().save(path, save_all=True, append_images=[later], lossless=True)
    np.testing.assert_allclose(corners(path), ([*RED], [*GREEN]), atol=2)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "image.png")
    assert corners(tmp_path / "image.png") == ([*RED], [*RED])


def refusal(path: Path) -> str:
    with pytest.raises(PictureError) as call:
        read_picture(path, 8)
    return str(call.value)


def png_that_claims(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\x10IDAT"


def test_huge(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("1", (10_000, 9_500)).save(path)  # Pillow warns of it
    assert corners(path)[0] == [0, 0, 0]
    path.write_bytes(png_that_claims(100_000, 100_000))
    assert refusal(path) == f"the image has 100000 x 100000 pixels, at most {MAX_PIXELS} are decoded"


def test_pixels_without_a_range(tmp_path: Path) -> None:
    path = tmp_path / "image.tiff"
    Image.new("F", (8, 8), 0.5).save(path)
    assert refusal(path) == "the image has floating-point pixels, and nothing says which of them is white"
    Image.new("I", (8, 8), 0x10000).save(path)
    assert (
        refusal(path) == "the image has pixels of more than 16 bits, and nothing says which of them is white"
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # so Pillow says of any torn TIFF
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".tiff", ".webp", ".ppm", ".tga"])
def test_torn(tmp_path: Path, suffix: str) -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole, Image.registered_extensions()[suffix])
    path = tmp_path / f"image{suffix}"
    for length in (0, 10, len(whole.getvalue()) // 2):
        path.write_bytes(whole.getvalue()[:length])
        assert refusal(path) == "the image cannot be decoded"
