"""Against Pillow, the long way."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from capstone_worker.data.plain_png import read_plain_png

PIXELS = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)


def png(image: Image.Image, pnginfo: PngInfo | None = None) -> bytes:
    file = io.BytesIO()
    image.save(file, "png", pnginfo=pnginfo)
    return file.getvalue()


def read(data: bytes, image_size: int = 8) -> npt.NDArray[np.uint8] | None:
    return read_plain_png(io.BytesIO(data), image_size)


def assert_same_pixels(data: bytes) -> None:
    found = read(data)
    assert found is not None
    assert np.array_equal(found, PIXELS.transpose(2, 0, 1))


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """Right after the header."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]


PLAIN = png(Image.fromarray(PIXELS))


def test_plain() -> None:
    assert_same_pixels(PLAIN)


def test_text_does_not_matter() -> None:
    text = PngInfo()
    text.add_text("Title", "eight by eight")
    assert_same_pixels(png(Image.fromarray(PIXELS), text))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_other_modes_go_the_long_way(mode: str) -> None:
    assert read(png(Image.new(mode, (8, 8)))) is None


@pytest.mark.parametrize("kind", [b"eXIf", b"acTL", b"tRNS", b"gAMA", b"iCCP", b"xxxx"])
def test_chunks_that_may_say_how_pixels_are_seen_go_the_long_way(kind: bytes) -> None:
    assert read(with_chunk(PLAIN, kind, b"\0" * 6)) is None


def test_another_size_goes_the_long_way() -> None:
    assert read(PLAIN, image_size=16) is None


def test_torn_or_flipped_gives_no_pixels() -> None:
    assert all(read(PLAIN[:length]) is None for length in range(len(PLAIN)))
    idat = PLAIN.index(b"IDAT")
    for at in range(idat + 4, len(PLAIN) - 16):
        broken = bytearray(PLAIN)
        broken[at] ^= 0x10
        assert read(bytes(broken)) is None


def test_trailing_megabytes_are_not_read() -> None:
    file = io.BytesIO(with_chunk(PLAIN, b"tEXt", b"x" * 200_000))
    assert read_plain_png(file, 8) is None
    assert file.tell() < 100_000
