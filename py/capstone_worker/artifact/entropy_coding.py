"""Integers of few bits as bytes: zeros apart where that is smaller, and the Huffman half of deflate.

Each tensor has codes of its own, its integers one to a byte or bit-packed; zeros, where that is smaller, lie
in a bitmask or are the gaps between the others. On normally distributed weights that comes to at most 3 %
above the order-0 entropy, at 4 to 8 bits, dense or up to 99 % zero. Tried and dropped: LZMA (1.5 to 6 % above
the entropy where dense, 17 to 30 % where sparse: it finds repetitions that save nothing), a bitmask without
the gaps (6 % at 95 % zeros, where a byte of it has less than the one bit that any code of Huffman's has), and
all of a network's integers in one stream (no smaller with either coder, as each layer has a distribution of
its own).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .packed_layout import Entry, PackError

Codec = Literal["deflate", "none"]
Bytes = npt.NDArray[np.uint8]

_SEARCHED_BYTES = 2**18
"""A longer stream is not searched for repeated strings: integers hold none, and it takes far longer."""


def deflated(parts: Sequence[bytes]) -> bytes:
    """A raw deflate stream of all parts (RFC 1951), the codes beginning anew with each; the smallest found.

    Never larger than about the parts: deflate stores a block that it cannot shrink.
    """
    size = sum(len(part) for part in parts)
    strategies = [zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FILTERED]  # filtered: of a few layers 1 to 3 % less
    if size <= _SEARCHED_BYTES:
        strategies.append(zlib.Z_DEFAULT_STRATEGY)
    found = []
    for strategy in strategies:
        coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1, strategy)
        stream = [coder.compress(part) + coder.flush(zlib.Z_BLOCK) for part in parts]
        found.append(b"".join([*stream, coder.flush()]))
    return min(found, key=len)


def inflated(data: Bytes, size: int, what: str) -> bytes:
    """The `size` bytes of a raw deflate stream; it may give neither fewer nor more.

    Raises:
        PackError: names `what` it was to be.
    """
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = decoder.decompress(data.data, size + 1)
    except zlib.error:
        raise PackError(f"{what} are no deflate stream") from None
    if len(plain) != size or not decoder.eof or decoder.unused_data:
        raise PackError(f"{what} do not come to {size} bytes")
    return plain


def stored_or_deflated(parts: Sequence[Bytes], codec: Codec) -> bytes:
    """The parts stored, or deflated where that is smaller."""
    plain = [part.tobytes() for part in parts]
    stored = b"".join(plain)
    return stored if codec == "none" else min(stored, deflated(plain), key=len)


@dataclass
class Streams:
    """Of a payload, read from `at` on."""

    bytes: Bytes
    at: int = 0

    def stream(self, size: int, plain: int, what: str) -> Bytes:
        """The next stream, of `size` bytes, which are `plain` ones: stored where the two agree."""
        stream = self.bytes[self.at : self.at + size]
        self.at += size
        if size > plain:
            raise PackError(f"{what} take {size} bytes for {plain}")
        return stream if size == plain else np.frombuffer(inflated(stream, plain, what), np.uint8)


def smallest_streams(
    values: npt.NDArray[np.int8], bits: int, codec: Codec
) -> tuple[int, list[bytes], list[int]]:
    """int8 (n,) -> bits of a stored integer, its streams, and what else their entry must say.

    The streams are all integers; or a bitmask and the nonzero ones; or gaps and the nonzero ones, with the
    number of bytes that the gaps are. Not entropy-coded, a tensor always has a 32nd of its bytes.

    What was found is kept until `forget_streams`.
    """
    return _smallest_streams(values.tobytes(), bits, codec)


def forget_streams() -> None:
    """Those of `smallest_streams` so far are not needed again."""
    _smallest_streams.cache_clear()


@cache  # the step `pack` says how many bytes it comes to, and then the file is written
def _smallest_streams(integers: bytes, bits: int, codec: Codec) -> tuple[int, list[bytes], list[int]]:
    values = np.frombuffer(integers, np.int8)
    codes = values.view(np.uint8) + np.uint8(2 ** (bits - 1))  # modulo 256, so none is below 0
    is_set = values != 0
    zeros: list[tuple[list[Bytes], Bytes, list[int]]] = [
        ([], codes, []),
        ([np.packbits(is_set, bitorder="little")], codes[is_set], []),
    ]
    if codec != "none":
        gaps = _gaps(is_set)
        zeros.append(([gaps], codes[is_set], [len(gaps)]))
    found = [
        (width, [stored_or_deflated([part], codec) for part in (*before, _bit_packed(some, width))], said)
        for before, some, said in zeros
        for width in sorted({bits, 8})
    ]
    return min(found, key=lambda way: sum(map(len, way[1])))


def read_integers(data: Streams, entry: Entry) -> Tensor:
    """The integers of an entry, int8 of its shape, from the next streams.

    Raises:
        PackError: they are not as `smallest_streams` makes them.
    """
    what = f"the integers of {entry.name}"
    count, zero = entry.count, 2 ** (entry.bits - 1)
    places: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | None = None
    if entry.gaps is not None:
        places = _places(data, entry)
        count = len(places)
    elif len(entry.streams) == 2:
        packed = data.stream(entry.streams[0], -(-count // 8), f"the mask bits of {entry.name}")
        if count % 8 and packed[-1] >> count % 8:
            raise PackError(f"{what} have bits behind their mask")
        places = np.unpackbits(packed, count=count, bitorder="little").view(np.bool_)
        count = int(places.sum())
    stream = data.stream(entry.streams[-1], -(-count * entry.width // 8), what)
    codes = _bit_unpacked(stream, count, entry.width, what)
    lowest = 0 if entry.dtype == "int8" else 1  # -(2 ** (bits - 1)) has no counterpart above 0
    if count and (int(codes.min()) < lowest or int(codes.max()) >= 2 * zero):
        raise PackError(f"{what} are out of range")
    values = (codes - np.uint8(zero)).view(np.int8)
    if places is not None:
        if not values.all():
            raise PackError(f"{what} have a 0 among those that are none")
        dense = np.zeros(entry.count, np.int8)
        dense[places] = values
        values = dense
    return torch.from_numpy(values).view(entry.shape)


def _gaps(is_set: npt.NDArray[np.bool_]) -> Bytes:
    """bool (n,) -> how many are False before each that is True, 255 at a time: 300 is 255, 45."""
    gaps = np.diff(np.flatnonzero(is_set), prepend=-1) - 1
    full = gaps // 255
    found = np.full(int((full + 1).sum()), 255, np.uint8)
    found[(full + 1).cumsum() - 1] = gaps % 255
    return found


def _places(data: Streams, entry: Entry) -> npt.NDArray[np.int64]:
    """Where the nonzero integers are, in their order."""
    assert entry.gaps is not None
    what = f"the gaps of {entry.name}"
    if entry.gaps > 2 * entry.count:
        raise PackError(f"{what} are more than its numbers")
    gaps = data.stream(entry.streams[0], entry.gaps, what)
    ends = gaps != 255
    if len(gaps) and not ends[-1]:
        raise PackError(f"{what} end within one")
    places: npt.NDArray[np.int64] = np.cumsum(gaps, dtype=np.int64)[ends]
    places += np.arange(len(places))
    if len(places) and places[-1] >= entry.count:
        raise PackError(f"{what} reach beyond it")
    return places


def _bit_packed(codes: Bytes, width: int) -> Bytes:
    """uint8 (n,), each below 2**width -> uint8 (ceil(n * width / 8),), the lowest bits first.

    Eight integers fill `width` bytes, the low end of a 64-bit word.
    """
    if width == 8:
        return codes
    padded = np.zeros(-(-len(codes) // 8) * 8, np.uint8)
    padded[: len(codes)] = codes
    words = np.zeros(len(padded) // 8, "<u8")
    for place in range(8):
        words |= padded[place::8].astype("<u8") << np.uint64(width * place)
    packed = words.view(np.uint8).reshape(-1, 8)[:, :width].reshape(-1)
    return packed[: -(-len(codes) * width // 8)]


def _bit_unpacked(packed: Bytes, count: int, width: int, what: str) -> Bytes:
    if width == 8:
        return packed
    padded = np.zeros((-(-count // 8), 8), np.uint8)
    whole = np.zeros(len(padded) * width, np.uint8)
    whole[: len(packed)] = packed
    padded[:, :width] = whole.reshape(-1, width)
    words = padded.view("<u8").reshape(-1)
    codes = np.empty((len(words), 8), np.uint8)
    for place in range(8):
        codes[:, place] = (words >> np.uint64(width * place)) & np.uint64(2**width - 1)
    if codes.reshape(-1)[count:].any():
        raise PackError(f"{what} have bits behind the last")
    return codes.reshape(-1)[:count]
