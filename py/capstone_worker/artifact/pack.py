"""Tensors into one block of bytes and back: integers of few bits entropy-coded, everything else exact.

Two pure functions. `pack_tensors` gives the payload and its layout, a JSON object; `unpack_tensors` trusts
neither. docs/artifact.md says what each byte means.

Entropy coding is the Huffman half of deflate, each tensor with codes of its own, integers one to a byte or
bit-packed; zeros, where that is smaller, in a bitmask or as the gaps between the others. On normally
distributed weights that comes to at most 3 % above the order-0 entropy, at 4 to 8 bits, dense or up to 99 %
zero. Tried and dropped: LZMA (1.5 to 6 % above the entropy where dense, 17 to 30 % where sparse: it finds
repetitions that save nothing), a bitmask without the gaps (6 % at 95 % zeros, where a byte of it has less
than the one bit that any code of Huffman's has), and all of a network's integers in one stream (no smaller
with either coder, as each layer has a distribution of its own).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Codec = Literal["deflate", "none"]
Bytes = npt.NDArray[np.uint8]

VERSION = 1
BITS = (4, 5, 6, 7, 8)
MAX_EXPANSION = 1024
"""Bytes of tensors that one byte of payload may stand for.

With 99 % zeros at 4 bits it is about 300; a byte of deflate can be 1032 zeros, which as a bitmask would stand
for 33,000 bytes of weights.
"""
FREE_BYTES = 16 * 2**20
"""Bytes of tensors beyond which MAX_EXPANSION counts."""

_DTYPES = {
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
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_LENGTH = 2**31 - 1
_SEARCHED_BYTES = 2**18
"""A longer stream is not searched for repeated strings: integers hold none, and it takes far longer."""


class PackError(Exception):
    """A payload or a layout that `pack_tensors` does not write; `code` is the name of the refusal."""

    def __init__(self, reason: str, code: str = "model_packed_invalid") -> None:
        """Keep what the reader turns into a UserError with the file's name."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Quantized:
    """How a float tensor is kept as integers, one scale for each of its first dimension.

    Attributes:
        bits: 4 to 8; the integers lie within ±(2**(bits - 1) - 1).
        scale: float32 (O,), above 0: the tensor is exactly ``dequantized(integers, scale)``.
    """

    bits: int
    scale: Tensor


def dequantized(integers: Tensor, scale: Tensor) -> Tensor:
    """int8 (O, ...), float32 (O,) -> float32 (O, ...), each product rounded once, the same everywhere."""
    return integers.float().mul_(scale.view(-1, *[1] * (integers.ndim - 1)))


def pack_tensors(
    tensors: Mapping[str, Tensor], quantized: Mapping[str, Quantized], codec: Codec
) -> tuple[Tensor, dict[str, Any]]:
    """The tensors as one payload, uint8 (n,), and the layout that `unpack_tensors` needs.

    Both depend on the arguments and on zlib's version alone.

    Args:
        tensors: by name; float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 or bool, of
            any shape and layout. int8 is entropy-coded as it is.
        quantized: of which float32 tensors integers are stored.
        codec: ``deflate``, or ``none``: integers are bit-packed, zeros in a bitmask where that is smaller,
            and nothing is entropy-coded.

    Raises:
        ValueError: a tensor is not what `quantized` says, or of another dtype.
    """
    payload, layout = _packed(tensors, quantized, codec)
    if codec != "none" and _too_large(tensors.values(), len(payload)):
        payload, layout = _packed(tensors, quantized, "none")  # larger, but nobody takes it for a bomb
    return payload, layout


def _packed(
    tensors: Mapping[str, Tensor], quantized: Mapping[str, Quantized], codec: Codec
) -> tuple[Tensor, dict[str, Any]]:
    streams: list[bytes] = []
    entries: list[list[Any]] = []
    scales: list[Tensor] = []
    plain: dict[str, list[Tensor]] = {}
    for name, given in tensors.items():
        if given.dtype not in _NAMES:
            raise ValueError(f"{name} is {given.dtype}")
        tensor, dtype = given.detach().cpu(), _NAMES[given.dtype]
        entry: list[Any] = [name, dtype, list(tensor.shape)]
        if name in quantized:
            bits, scale = quantized[name].bits, quantized[name].scale.detach().cpu()
            integers = _integers(name, tensor, bits, scale)
            scales.append(scale)
        elif tensor.dtype == torch.int8:
            bits, integers = 8, tensor
        else:
            plain.setdefault(dtype, []).append(tensor)
            entries.append(entry)
            continue
        width, parts, said = _smallest(_bytes_of(integers).view(np.int8), bits, codec)
        streams += parts
        entries.append([*entry, bits, width, [*map(len, parts), *said]])
    scale_planes = _stream(_planes(scales), codec)
    groups = {dtype: _stream(_planes(plain[dtype]), codec) for dtype in sorted(plain)}
    payload = b"".join([*streams, scale_planes, *groups.values()])
    layout = {
        "version": VERSION,
        "tensors": entries,
        "scales": len(scale_planes),
        "plain": {dtype: len(stream) for dtype, stream in groups.items()},
    }
    return torch.frombuffer(bytearray(payload), dtype=torch.uint8) if payload else _empty(), layout


def unpack_tensors(payload: Tensor, layout: object) -> dict[str, Tensor]:
    """The tensors of `pack_tensors`, contiguous, in the same order.

    Before a tensor is made all sizes are known to agree and to be within MAX_EXPANSION, so a few bytes never
    stand for more memory than the network that the caller expects; see also `described`.

    Args:
        payload: uint8 (n,), whoever wrote it.
        layout: JSON, likewise.

    Raises:
        PackError: they are not as `pack_tensors` writes them.
    """
    plan = _plan(layout)
    data = _Data(payload.contiguous().numpy())
    if plan.payload_bytes != len(data.bytes):
        raise PackError(f"its payload has {len(data.bytes)} bytes, its layout {plan.payload_bytes}")
    if _too_large(described(layout).values(), len(data.bytes)):
        raise PackError(
            f"a payload of {len(data.bytes)} bytes stands for too many bytes of weights",
            "model_packed_too_large",
        )
    integers = {entry.name: _read_integers(data, entry) for entry in plan.entries if entry.bits}
    rows = [entry.shape[0] for entry in plan.entries if entry.has_scale]
    scales = _from_planes(data.stream(plan.scales, 4 * sum(rows), "its scales"), torch.float32)
    if not (scales.isfinite() & (scales > 0)).all():
        raise PackError("a scale is not above 0")
    numbers: dict[str, Iterator[Tensor]] = {}
    for dtype in sorted(plan.plain):
        sizes = [entry.count for entry in plan.entries if not entry.bits and entry.dtype == dtype]
        kind = _DTYPES[dtype]
        stream = data.stream(plan.plain[dtype], sum(sizes) * kind.itemsize, f"its {dtype} tensors")
        if kind == torch.bool and stream.size and stream.max() > 1:
            raise PackError("a bool is neither 0 nor 1")
        numbers[dtype] = iter(_from_planes(stream, kind).split(sizes))
    of_rows = iter(scales.split(rows))
    tensors: dict[str, Tensor] = {}
    for entry in plan.entries:
        if not entry.bits:
            tensors[entry.name] = next(numbers[entry.dtype]).view(entry.shape).clone()
        elif entry.has_scale:
            tensors[entry.name] = dequantized(integers.pop(entry.name), next(of_rows))
        else:
            tensors[entry.name] = integers.pop(entry.name)
    return tensors


def described(layout: object) -> dict[str, Tensor]:
    """Names, shapes and dtypes of the tensors in a payload, on the meta device: without its bytes.

    Raises:
        PackError: the layout is not as `pack_tensors` writes it.
    """
    try:
        return {
            entry.name: torch.empty(entry.shape, dtype=_DTYPES[entry.dtype], device="meta")
            for entry in _plan(layout).entries
        }
    except RuntimeError:
        raise PackError("a tensor is larger than memory can be", "model_packed_too_large") from None


def quantized_in(payload: Tensor, layout: object) -> dict[str, Quantized]:
    """The `quantized` that `pack_tensors` was given, out of what `unpack_tensors` has accepted."""
    plan = _plan(layout)
    data = _Data(payload.contiguous().numpy())
    data.at = sum(sum(entry.streams) for entry in plan.entries)
    entries = [entry for entry in plan.entries if entry.has_scale]
    rows = [entry.shape[0] for entry in entries]
    scales = _from_planes(data.stream(plan.scales, 4 * sum(rows), "its scales"), torch.float32)
    return {
        entry.name: Quantized(entry.bits, scale.clone())
        for entry, scale in zip(entries, scales.split(rows), strict=True)
    }


def deflated(parts: Sequence[bytes]) -> bytes:
    """A raw deflate stream of all parts (RFC 1951), the codes beginning anew with each; the smallest found.

    Never larger than about the parts: deflate stores a block that it cannot shrink.
    """
    size = sum(len(part) for part in parts)
    strategies = [zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]
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


@dataclass(frozen=True)
class _Entry:
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
        return prod(self.shape)

    @property
    def has_scale(self) -> bool:
        return self.bits > 0 and self.dtype == "float32"


@dataclass(frozen=True)
class _Plan:
    """A layout, checked."""

    entries: list[_Entry]
    scales: int
    plain: dict[str, int]

    @property
    def payload_bytes(self) -> int:
        of_entries = sum(sum(entry.streams) for entry in self.entries)
        return of_entries + self.scales + sum(self.plain.values())


@dataclass
class _Data:
    """A payload, read from `at` on."""

    bytes: Bytes
    at: int = 0

    def stream(self, size: int, plain: int, what: str) -> Bytes:
        """The next stream, of `size` bytes, which are `plain` ones: stored where the two agree."""
        stream = self.bytes[self.at : self.at + size]
        self.at += size
        if size > plain:
            raise PackError(f"{what} take {size} bytes for {plain}")
        return stream if size == plain else np.frombuffer(inflated(stream, plain, what), np.uint8)


def _plan(layout: object) -> _Plan:
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
    return _Plan(entries, scales, plain)


def _entry(index: int, entry: object) -> _Entry:
    where = f"its layout, tensors[{index}]"
    if not isinstance(entry, list) or len(entry) not in (3, 6):
        raise PackError(f"{where}: expected 3 or 6 values")
    name, dtype, shape, *coded = entry
    if not isinstance(name, str):
        raise PackError(f"{where}: its name is no text")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise PackError(f"{where}: expected a dtype of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or len(shape) > 8 or not _are_lengths(shape):
        raise PackError(f"{where}: expected as shape at most 8 lengths")
    if not coded:
        return _Entry(name, dtype, tuple(shape))
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
    return _Entry(name, dtype, tuple(shape), bits, width, tuple(sizes[:2]), gaps)


def _are_lengths(values: Any) -> bool:  # noqa: ANN401 - of JSON
    return all(type(value) is int and 0 <= value <= _MAX_LENGTH for value in values)


def _too_large(tensors: Iterable[Tensor], payload_bytes: int) -> bool:
    size: int = sum(tensor.nbytes for tensor in tensors)
    return size > MAX_EXPANSION * payload_bytes + FREE_BYTES


def _integers(name: str, tensor: Tensor, bits: int, scale: Tensor) -> Tensor:
    """The int8 values that `tensor` consists of."""
    if tensor.dtype != torch.float32 or not tensor.ndim or scale.shape != tensor.shape[:1]:
        raise ValueError(f"{name} cannot have one scale for each of its first dimension")
    rows = scale.view(-1, *[1] * (tensor.ndim - 1))
    integers = (tensor / rows).round_()
    most = 2 ** (bits - 1) - 1
    if bits not in BITS or not (integers.abs() <= most).all():
        raise ValueError(f"{name} has integers beyond {bits} bits")
    integers = integers.to(torch.int8)
    if not torch.equal(dequantized(integers, scale), tensor):
        raise ValueError(f"{name} was changed after it was quantized")
    return integers


def _smallest(values: npt.NDArray[np.int8], bits: int, codec: Codec) -> tuple[int, list[bytes], list[int]]:
    """int8 (n,) -> bits of a stored integer, its streams, and what else their entry must say.

    The streams are all integers; or a bitmask and the nonzero ones; or gaps and the nonzero ones, with the
    number of bytes that the gaps are. Not entropy-coded, a tensor always has a 32nd of its bytes.
    """
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
        (width, [_stream([part], codec) for part in (*before, _bit_packed(some, width))], said)
        for before, some, said in zeros
        for width in sorted({bits, 8})
    ]
    return min(found, key=lambda way: sum(map(len, way[1])))


def _read_integers(data: _Data, entry: _Entry) -> Tensor:
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


def _places(data: _Data, entry: _Entry) -> npt.NDArray[np.int64]:
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


def _stream(parts: Sequence[Bytes], codec: Codec) -> bytes:
    """The parts stored, or deflated where that is smaller."""
    plain = [part.tobytes() for part in parts]
    stored = b"".join(plain)
    return stored if codec == "none" else min(stored, deflated(plain), key=len)


def _planes(tensors: Sequence[Tensor]) -> list[Bytes]:
    """The first bytes of all numbers, then the second ones, ...: exponents beside exponents are alike."""
    if not tensors:
        return []
    numbers = np.concatenate([_bytes_of(tensor) for tensor in tensors])
    return list(np.ascontiguousarray(numbers.reshape(-1, tensors[0].dtype.itemsize).T))


def _from_planes(planes: Bytes, dtype: torch.dtype) -> Tensor:
    numbers = np.array(planes.reshape(dtype.itemsize, -1).T, order="C")  # a copy: the planes may be read-only
    return torch.from_numpy(numbers.reshape(-1)).view(dtype) if numbers.size else torch.empty(0, dtype=dtype)


def _bytes_of(tensor: Tensor) -> Bytes:
    if not tensor.numel():  # which torch may hold with strides that it then refuses to view as bytes
        return np.empty(0, np.uint8)
    array: Bytes = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def _empty() -> Tensor:
    return torch.empty(0, dtype=torch.uint8)
