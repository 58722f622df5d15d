"""Tensors into one block of bytes and back: integers of few bits entropy-coded, everything else exact.

Two pure functions. `pack_tensors` gives the payload and its layout, a JSON object; `unpack_tensors` trusts
neither. docs/artifact.md says what each byte means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .entropy_coding import Bytes, Codec, Streams, read_integers, smallest_streams, stored_or_deflated
from .packed_layout import BITS, DTYPES, VERSION, PackError, read_layout

MAX_EXPANSION = 1024
"""Bytes of tensors that one byte of payload may stand for.

With 99 % zeros at 4 bits it is about 300; a byte of deflate can be 1032 zeros, which as a bitmask would stand
for 33,000 bytes of weights.
"""
FREE_BYTES = 16 * 2**20
"""Bytes of tensors beyond which MAX_EXPANSION counts."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


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
    entries: list[list[Any]] = []
    coded: list[tuple[list[Any], npt.NDArray[np.int8], int]] = []
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
        entries.append(entry)
        coded.append((entry, _bytes_of(integers).view(np.int8), bits))
    # zlib lets go of the interpreter meanwhile.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = pool.map(lambda one: smallest_streams(one[1], one[2], codec), coded)
    streams: list[bytes] = []
    for (entry, _, bits), (width, parts, said) in zip(coded, found, strict=True):
        streams += parts
        entry += [bits, width, [*map(len, parts), *said]]
    scale_planes = stored_or_deflated(_planes(scales), codec)
    groups = {dtype: stored_or_deflated(_planes(plain[dtype]), codec) for dtype in sorted(plain)}
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
    plan = read_layout(layout)
    data = Streams(payload.contiguous().numpy())
    if plan.payload_bytes != len(data.bytes):
        raise PackError(f"its payload has {len(data.bytes)} bytes, its layout {plan.payload_bytes}")
    if _too_large(described(layout).values(), len(data.bytes)):
        raise PackError(
            f"a payload of {len(data.bytes)} bytes stands for too many bytes of weights",
            "model_packed_too_large",
        )
    integers = {entry.name: read_integers(data, entry) for entry in plan.entries if entry.bits}
    rows = [entry.shape[0] for entry in plan.entries if entry.has_scale]
    scales = _from_planes(data.stream(plan.scales, 4 * sum(rows), "its scales"), torch.float32)
    if not (scales.isfinite() & (scales > 0)).all():
        raise PackError("a scale is not above 0")
    numbers: dict[str, Iterator[Tensor]] = {}
    for dtype in sorted(plan.plain):
        sizes = [entry.count for entry in plan.entries if not entry.bits and entry.dtype == dtype]
        kind = DTYPES[dtype]
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
            entry.name: torch.empty(entry.shape, dtype=DTYPES[entry.dtype], device="meta")
            for entry in read_layout(layout).entries
        }
    except RuntimeError:
        raise PackError("a tensor is larger than memory can be", "model_packed_too_large") from None


def quantized_in(payload: Tensor, layout: object) -> dict[str, Quantized]:
    """The `quantized` that `pack_tensors` was given, out of what `unpack_tensors` has accepted."""
    plan = read_layout(layout)
    data = Streams(payload.contiguous().numpy())
    data.at = sum(sum(entry.streams) for entry in plan.entries)
    entries = [entry for entry in plan.entries if entry.has_scale]
    rows = [entry.shape[0] for entry in entries]
    scales = _from_planes(data.stream(plan.scales, 4 * sum(rows), "its scales"), torch.float32)
    return {
        entry.name: Quantized(entry.bits, scale.clone())
        for entry, scale in zip(entries, scales.split(rows), strict=True)
    }


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
