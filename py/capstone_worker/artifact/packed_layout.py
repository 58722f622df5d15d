"""The layout of a packed payload: JSON that says what its bytes are, and that nobody trusts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch

VERSION = 1
BITS = (4, 5, 6, 7, 8)

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
}
"""Of the tensors in a payload, by the name that the layout has for them."""

_MAX_LENGTH = 2**31 - 1


class PackError(Exception):
    """A payload or a layout that `pack_tensors` does not write; `code` is the name of the refusal."""

    def __init__(self, reason: str, code: str = "model_packed_invalid") -> None:
        """Keep what the reader turns into a UserError with the file's name."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """One tensor of a layout, checked.

    Attributes:
        bits: 0 where it has no integers.
        width: bits of a stored integer.
        streams: bytes of each: of the integers, or of what says where zeros are and of the others.
        gaps: bytes that the first stream comes to, where it is gaps.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bits: int = 0
    width: int = 0
    streams: tuple[int, ...] = ()
    gaps: int | None = None

    @property
    def count(self) -> int:
        """Of its numbers."""
        return prod(self.shape)

    @property
    def has_scale(self) -> bool:
        """Whether its integers stand for numbers that they are multiplied to."""
        return self.bits > 0 and self.dtype == "float32"


@dataclass(frozen=True)
class Layout:
    """A layout, checked.

    Attributes:
        entries: in the order of the tensors.
        scales: bytes of the stream of all scales.
        plain: of each dtype without integers, the bytes of its stream.
    """

    entries: list[Entry]
    scales: int
    plain: dict[str, int]

    @property
    def payload_bytes(self) -> int:
        """That a payload of this layout has."""
        of_entries = sum(sum(entry.streams) for entry in self.entries)
        return of_entries + self.scales + sum(self.plain.values())


def read_layout(layout: object) -> Layout:
    """A layout, checked.

    Raises:
        PackError: it is not as `pack.pack_tensors` writes it.
    """
    if not isinstance(layout, dict) or "version" not in layout:
        raise PackError("its layout is no object with a version")
    if layout["version"] != VERSION:
        raise PackError(
            f"expected layout {VERSION}, found {layout['version']!r}: this file needs a newer capstone",
            "model_format_unknown",
        )
    if layout.keys() != {"version", "tensors", "scales", "plain"}:
        raise PackError("its layout has other keys than version, tensors, scales, plain")
    tensors, scales, plain = layout["tensors"], layout["scales"], layout["plain"]
    if not isinstance(tensors, list) or not isinstance(plain, dict) or not _are_lengths([scales]):
        raise PackError("its layout does not say what tensors it has")
    entries = [_entry(index, entry) for index, entry in enumerate(tensors)]
    if len({entry.name for entry in entries}) != len(entries):
        raise PackError("its layout has two tensors of one name")
    if plain.keys() != {entry.dtype for entry in entries if not entry.bits}:
        raise PackError("its layout has other dtypes in plain than tensors")
    if not _are_lengths(plain.values()):
        raise PackError("its layout has a size in plain that is no number of bytes")
    return Layout(entries, scales, plain)


def _entry(index: int, entry: object) -> Entry:
    where = f"its layout, tensors[{index}]"
    if not isinstance(entry, list) or len(entry) not in (3, 6):
        raise PackError(f"{where}: expected 3 or 6 values")
    name, dtype, shape, *coded = entry
    if not isinstance(name, str):
        raise PackError(f"{where}: its name is no text")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise PackError(f"{where}: expected a dtype of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or len(shape) > 8 or not _are_lengths(shape):
        raise PackError(f"{where}: expected as shape at most 8 lengths")
    if not coded:
        return Entry(name, dtype, tuple(shape))
    bits, width, sizes = coded
    if type(bits) is not int or bits not in BITS:
        raise PackError(f"{where}: expected 4 to 8 bits, found {bits!r}")
    if not (dtype == "float32" and shape) and (dtype, bits) != ("int8", 8):
        raise PackError(f"{where}: expected integers of a float32 tensor or 8 bits of an int8 one")
    if type(width) is not int or width not in (bits, 8):
        raise PackError(f"{where}: expected a width of {bits} or 8 bits, found {width!r}")
    if not isinstance(sizes, list) or len(sizes) not in (1, 2, 3) or not _are_lengths(sizes):
        raise PackError(f"{where}: expected 1 to 3 numbers of bytes")
    gaps = sizes[2] if len(sizes) == 3 else None
    return Entry(name, dtype, tuple(shape), bits, width, tuple(sizes[:2]), gaps)


def _are_lengths(values: Any) -> bool:  # noqa: ANN401 - of JSON
    return all(type(value) is int and 0 <= value <= _MAX_LENGTH for value in values)
