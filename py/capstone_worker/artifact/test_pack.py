"""The packed payload: its arithmetic, round trips to the bit, and every layout or payload that is refused."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from .entropy_coding import Codec, deflated, forget_streams
from .pack import (
    MAX_EXPANSION,
    Quantized,
    dequantized,
    described,
    pack_tensors,
    quantized_in,
    unpack_tensors,
)
from .packed_layout import BITS, PackError

CODECS: tuple[Codec, ...] = ("deflate", "none")


def on_grid(
    shape: tuple[int, ...], bits: int, seed: int = 0, sparsity: float = 0
) -> tuple[Tensor, Quantized]:
    """Normally distributed weights, rounded as the step does it, and how."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator)
    weight[torch.rand(shape, generator=generator) < sparsity] = 0
    rows = [-1] + [1] * (len(shape) - 1)
    scale = torch.ones(shape[0])
    if weight.numel():
        scale = weight.abs().view(shape[0], -1).amax(1) / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1
    integers = (weight / scale.view(rows)).round().to(torch.int8)
    return dequantized(integers, scale), Quantized(bits, scale)


def entropy_bytes(values: Tensor) -> float:
    """Order-0, of the integers by themselves."""
    _, counts = np.unique(values.numpy(), return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * values.numel() / 8)


def round_trip(tensors: dict[str, Tensor], quantized: dict[str, Quantized], codec: Codec) -> int:
    """Bytes of the payload; the tensors come back bit for bit, and so does what they were packed with."""
    payload, layout = pack_tensors(tensors, quantized, codec)
    layout = json.loads(json.dumps(layout))
    back = unpack_tensors(payload, layout)
    assert list(back) == list(tensors)
    for name, tensor in tensors.items():
        assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
        assert same_bytes(back[name], tensor), name
        assert back[name].is_contiguous()
    assert {name: (it.dtype, it.shape) for name, it in described(layout).items()} == {
        name: (it.dtype, it.shape) for name, it in tensors.items()
    }
    forget_streams()
    again = quantized_in(payload, layout)
    assert {name: it.bits for name, it in again.items()} == {name: it.bits for name, it in quantized.items()}
    assert all(torch.equal(again[name].scale, quantized[name].scale) for name in quantized)
    assert torch.equal(pack_tensors(back, again, codec)[0], payload)
    return len(payload)


def same_bytes(one: Tensor, other: Tensor) -> bool:
    """Of tensors of one shape; those of no numbers may have strides that torch does not view as bytes."""
    parts = [it.contiguous().reshape(-1).view(torch.uint8) for it in (one, other) if it.numel()]
    return not parts or torch.equal(*parts)


def grid(bits: int, *integers: int) -> tuple[dict[str, Tensor], dict[str, Quantized]]:
    """One channel of these integers at scale 1."""
    return {"w": torch.tensor([integers], dtype=torch.float32)}, {"w": Quantized(bits, torch.ones(1))}


@pytest.mark.parametrize(
    ("bits", "count", "zeros", "stored"),
    [
        (4, 16, 0, 8),  # 16 * 4 / 8
        (5, 16, 0, 10),
        (8, 16, 0, 16),
        (4, 3, 0, 2),  # 12 bits
        (5, 1, 0, 1),
        (4, 64, 60, 8 + 2),  # a bit each, then 4 * 4 / 8
        (8, 64, 60, 8 + 4),
        (4, 64, 64, 8),
    ],
)
def test_bytes_of_integers_that_are_not_entropy_coded(bits: int, count: int, zeros: int, stored: int) -> None:
    integers = [(index % 7) + 1 for index in range(count - zeros)] + [0] * zeros
    tensors, quantized = grid(bits, *integers)
    scale = 4
    assert round_trip(tensors, quantized, "none") == stored + scale


def test_integers_are_packed_from_the_lowest_bit() -> None:
    """-7 to 7 are 1 to 15, the first in the low half of a byte; a scale of 1.0 ends in 80 3f."""
    payload, layout = pack_tensors(*grid(4, -7, 0, 7, 1), "none")
    assert bytes(payload.tolist()).hex() == "819f" + "0000803f"
    assert layout == {
        "version": 1,
        "tensors": [["w", "float32", [1, 4], 4, 4, [2]]],
        "scales": 4,
        "plain": {},
    }


def test_zeros_become_a_bitmask() -> None:
    payload, layout = pack_tensors(*grid(8, *[0] * 9, 5, *[0] * 6, 127), "none")
    assert bytes(payload.tolist()).hex() == "000201" + "85ff" + "0000803f"
    assert layout["tensors"] == [["w", "float32", [1, 17], 8, 8, [3, 2]]]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("sparsity", [0, 0.5, 0.8, 0.95, 0.99])
def test_entropy_coding_is_near_the_entropy(bits: int, sparsity: float) -> None:
    """The independent judge is Shannon: at most 3 % above the order-0 entropy, scales aside."""
    weight, quantized = on_grid((256, 2304), bits, sparsity=sparsity)
    integers = (weight / quantized.scale[:, None]).round()
    bound = entropy_bytes(integers)
    payload, layout = pack_tensors({"w": weight}, {"w": quantized}, "deflate")
    coded = len(payload) - layout["scales"]
    assert 0.999 * bound < coded < 1.03 * bound  # less than 1: each part has codes of its own


def test_the_exponents_of_floats_shrink_and_scales_with_zeros_behind() -> None:
    """Noise but for the exponents: 23 bits of a fraction, a sign, and about 2 bits of exponent."""
    torch.manual_seed(0)
    norm = torch.randn(4800)
    payload, layout = pack_tensors({"norm": norm}, {}, "deflate")
    assert layout["plain"] == {"float32": len(payload)}
    assert 0.8 < len(payload) / norm.nbytes < 0.92
    short = torch.rand(4800).view(torch.int32).bitwise_and(~0x7FF).view(torch.float32)
    assert len(pack_tensors({"norm": short}, {}, "deflate")[0]) / short.nbytes < 0.62


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "shape", [(1, 1), (3,), (0, 4), (4, 0), (2, 3, 1, 5), (8, 8, 3, 3), (5, 41)], ids=str
)
def test_round_trips_of_integers(codec: Codec, shape: tuple[int, ...]) -> None:
    for bits in BITS:
        weight, quantized = on_grid(shape, bits)
        round_trip({"w": weight}, {"w": quantized}, codec)


@pytest.mark.parametrize("codec", CODECS)
def test_round_trips_of_everything_else(codec: Codec) -> None:
    torch.manual_seed(0)
    numbers = torch.randn(3, 4, 5)
    odd = torch.tensor([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-45, 3e38])
    tensors = {
        "float": numbers,
        "odd": odd,
        "transposed": numbers.transpose(0, 2),
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "double": numbers.double(),
        "half": numbers.half(),
        "bf16": numbers.bfloat16(),
        "count": torch.tensor(7),
        "int32": torch.tensor([-(2**31)], dtype=torch.int32),
        "int16": torch.tensor([-1, 1], dtype=torch.int16),
        "uint8": torch.arange(256).to(torch.uint8),
        "bool": torch.tensor([[True], [False]]),
        "int8": torch.arange(-128, 128).to(torch.int8).view(16, 16),
        "int8.scale": torch.rand(16),
        "int8 scalar": torch.tensor(-128, dtype=torch.int8),
        "int8 zeros": torch.zeros(9, 9, dtype=torch.int8),
        "empty": torch.zeros(0, 3),
        "empty int8": torch.zeros(3, 0, dtype=torch.int8),
        "zero": torch.zeros(()),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    weights = {f"w{bits}": on_grid((6, 7), bits, seed=bits) for bits in BITS}
    zeros = {"all zero": (torch.zeros(4, 33), Quantized(4, torch.ones(4)))}
    equal = {"all equal": (torch.full((4, 33), 7.0), Quantized(4, torch.ones(4)))}
    both = weights | zeros | equal
    tensors |= {name: weight for name, (weight, _) in both.items()}
    round_trip(tensors, {name: quantized for name, (_, quantized) in both.items()}, codec)
    round_trip({}, {}, codec)


@pytest.mark.parametrize("seed", range(60))
def test_random_round_trips(seed: int) -> None:
    draw = np.random.default_rng(seed)
    tensors: dict[str, Tensor] = {}
    quantized: dict[str, Quantized] = {}
    for index in range(int(draw.integers(1, 8))):
        shape = tuple(int(length) for length in draw.integers(0, 7, int(draw.integers(1, 5))))
        name = f"layer{index}"
        match int(draw.integers(4)):
            case 0:
                tensors[name] = torch.from_numpy(draw.normal(size=shape)).float()
            case 1:
                tensors[name] = torch.from_numpy(draw.integers(-128, 128, shape)).to(torch.int8)
            case 2:
                tensors[name] = torch.from_numpy(draw.integers(-(2**62), 2**62, shape))
            case _:
                bits, most = int(draw.integers(4, 9)), 2
                integers = draw.integers(-most, most + 1, shape) * draw.integers(0, 2, shape)
                scale = torch.from_numpy(draw.uniform(1e-6, 10, shape[:1])).float()
                tensors[name] = dequantized(torch.from_numpy(integers).to(torch.int8), scale)
                quantized[name] = Quantized(bits, scale)
    for codec in CODECS:
        round_trip(tensors, quantized, codec)


NO_ROWS = "w cannot have one scale for each of its first dimension"


@pytest.mark.parametrize(
    ("tensor", "quantized", "reason"),
    [
        (torch.zeros(2, dtype=torch.complex64), None, "w is torch.complex64"),
        (torch.ones(2, 2), Quantized(8, torch.ones(3)), NO_ROWS),
        (torch.ones(()), Quantized(8, torch.ones(1)), NO_ROWS),
        (torch.full((1, 2), 8.0), Quantized(4, torch.ones(1)), "w has integers beyond 4 bits"),
        (torch.ones(1, 2), Quantized(3, torch.ones(1)), "w has integers beyond 3 bits"),
        (torch.full((1, 2), float("nan")), Quantized(8, torch.ones(1)), "w has integers beyond 8 bits"),
        (torch.full((1, 2), 1.25), Quantized(8, torch.ones(1)), "w was changed after it was quantized"),
    ],
)
def test_what_cannot_be_packed(tensor: Tensor, quantized: Quantized | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pack_tensors({"w": tensor}, {"w": quantized} if quantized else {}, "deflate")


def good() -> tuple[Tensor, dict[str, Any]]:
    """Dense integers, integers behind a mask, int8, floats and a counter."""
    dense, its = on_grid((4, 9), 5)
    sparse, of_sparse = on_grid((4, 100), 4, sparsity=0.95)
    tensors = {
        "dense": dense,
        "sparse": sparse,
        "int8": torch.tensor([1, 2, 3], dtype=torch.int8),
        "bias": torch.arange(4.0),
        "count": torch.tensor(3),
        "flag": torch.tensor([True]),
    }
    return pack_tensors(tensors, {"dense": its, "sparse": of_sparse}, "none")


def refused(payload: Tensor, layout: object) -> tuple[str, str]:
    with pytest.raises(PackError) as caught:
        unpack_tensors(payload, layout)
    return caught.value.code, caught.value.reason


def changed(*path: str | int, to: object) -> Callable[[dict[str, Any]], object]:
    def change(layout: dict[str, Any]) -> object:
        place: Any = layout
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to
        return layout

    return change


ENTRY = "its layout, tensors[0]: "
DTYPES = "float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda layout: None, "its layout is no object with a version"),
        (lambda layout: [layout], "its layout is no object with a version"),
        (changed("more", to=1), "its layout has other keys than version, tensors, scales, plain"),
        (changed("tensors", to={}), "its layout does not say what tensors it has"),
        (changed("plain", to=[]), "its layout does not say what tensors it has"),
        (changed("scales", to=-1), "its layout does not say what tensors it has"),
        (changed("scales", to=True), "its layout does not say what tensors it has"),
        (changed("tensors", 0, to={}), ENTRY + "expected 3 or 6 values"),
        (changed("tensors", 0, to=["a", "float32", [1], 4]), ENTRY + "expected 3 or 6 values"),
        (changed("tensors", 0, 0, to=5), ENTRY + "its name is no text"),
        (changed("tensors", 0, 0, to="sparse"), "its layout has two tensors of one name"),
        (changed("tensors", 0, 1, to="complex64"), ENTRY + f"expected a dtype of {DTYPES}"),
        (changed("tensors", 0, 1, to=["float32"]), ENTRY + f"expected a dtype of {DTYPES}"),
        (changed("tensors", 0, 2, to=36), ENTRY + "expected as shape at most 8 lengths"),
        (changed("tensors", 0, 2, to=[1] * 9), ENTRY + "expected as shape at most 8 lengths"),
        (changed("tensors", 0, 2, to=[4, -9]), ENTRY + "expected as shape at most 8 lengths"),
        (changed("tensors", 0, 2, to=[4.0, 9]), ENTRY + "expected as shape at most 8 lengths"),
        (changed("tensors", 0, 2, to=[2**31]), ENTRY + "expected as shape at most 8 lengths"),
        (changed("tensors", 0, 3, to=3), ENTRY + "expected 4 to 8 bits, found 3"),
        (changed("tensors", 0, 3, to=9), ENTRY + "expected 4 to 8 bits, found 9"),
        (changed("tensors", 0, 3, to="8"), ENTRY + "expected 4 to 8 bits, found '8'"),
        (
            changed("tensors", 0, 1, to="int8"),
            ENTRY + "expected integers of a float32 tensor or 8 bits of an int8 one",
        ),
        (
            changed("tensors", 0, 2, to=[]),
            ENTRY + "expected integers of a float32 tensor or 8 bits of an int8 one",
        ),
        (changed("tensors", 0, 4, to=6), ENTRY + "expected a width of 5 or 8 bits, found 6"),
        (changed("tensors", 0, 4, to=5.0), ENTRY + "expected a width of 5 or 8 bits, found 5.0"),
        (changed("tensors", 0, 5, to=[]), ENTRY + "expected 1 to 3 numbers of bytes"),
        (changed("tensors", 0, 5, to=[1, 2, 3, 4]), ENTRY + "expected 1 to 3 numbers of bytes"),
        (changed("tensors", 0, 5, to=[-1]), ENTRY + "expected 1 to 3 numbers of bytes"),
        (changed("tensors", 0, 5, to=[[1]]), ENTRY + "expected 1 to 3 numbers of bytes"),
        (changed("plain", "half", to=0), "its layout has other dtypes in plain than tensors"),
        (changed("plain", "int64", to=None), "its layout has a size in plain that is no number of bytes"),
        (changed("scales", to=31), "its payload has 147 bytes, its layout 146"),
        (changed("tensors", 0, 2, to=[3, 9]), "the integers of dense take 23 bytes for 17"),
        (changed("tensors", 0, 2, to=[4, 10]), "the integers of dense are no deflate stream"),
        (changed("tensors", 3, 2, to=[3]), "its float32 tensors take 16 bytes for 12"),
    ],
)
def test_layouts_that_are_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    payload, layout = good()
    assert refused(payload, change(copy.deepcopy(layout))) == ("model_packed_invalid", reason)


def test_a_newer_layout() -> None:
    payload, layout = good()
    assert refused(payload, layout | {"version": 2}) == (
        "model_format_unknown",
        "expected layout 2, found 1: this file needs a newer capstone".replace("2, found 1", "1, found 2"),
    )


@pytest.mark.parametrize(
    ("at", "to", "reason"),
    [
        (0, 0xE0, "the integers of dense are out of range"),  # the first 5 bits: -16
        (22, 0xFF, "the integers of dense have bits behind the last"),
        (73, 0xF0, "the integers of sparse are out of range"),  # -8
        (73, 0xF8, "the integers of sparse have a 0 among those that are none"),
        (23, 0xFF, "the integers of sparse are no deflate stream"),
    ],
)
def test_payloads_that_are_refused(at: int, to: int, reason: str) -> None:
    payload, layout = good()
    payload[at] = to
    code, found = refused(payload, layout)
    assert code == "model_packed_invalid"
    assert found == reason


def test_zeros_become_gaps() -> None:
    """400 zeros before a 5 are 255 and 145; as a bitmask they would take at least 51 bits."""
    payload, layout = pack_tensors(*grid(8, *[0] * 400, 5, *[0] * 9), "deflate")
    assert bytes(payload.tolist()).hex() == "ff91" + "85" + "0000803f"
    assert layout["tensors"] == [["w", "float32", [1, 410], 8, 8, [2, 1, 2]]]


@pytest.mark.parametrize(
    ("at", "to", "sizes", "reason"),
    [
        (1, 155, [2, 1, 2], "the gaps of w reach beyond it"),
        (1, 255, [2, 1, 2], "the gaps of w end within one"),
        (0, 1, [2, 1, 2], "the integers of w do not come to 2 bytes"),
        (2, 128, [2, 1, 2], "the integers of w have a 0 among those that are none"),
        (0, 255, [2, 1, 821], "the gaps of w are more than its numbers"),
        (0, 255, [2, 1, 1], "the gaps of w take 2 bytes for 1"),
        (0, 255, [2, 1, 3], "the gaps of w are no deflate stream"),
    ],
)
def test_gaps_that_are_refused(at: int, to: int, sizes: list[int], reason: str) -> None:
    payload, layout = pack_tensors(*grid(8, *[0] * 400, 5, *[0] * 9), "deflate")
    payload[at] = to
    layout["tensors"][0][5] = sizes
    assert refused(payload, layout) == ("model_packed_invalid", reason)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_are_none(value: float) -> None:
    payload, layout = pack_tensors(*grid(4, 1, 7), "none")
    payload[1:] = torch.tensor([value]).view(torch.uint8)
    assert refused(payload, layout) == ("model_packed_invalid", "a scale is not above 0")


def test_bools_that_are_none() -> None:
    payload, layout = pack_tensors({"flag": torch.tensor([True])}, {}, "none")
    payload[0] = 2
    assert refused(payload, layout) == ("model_packed_invalid", "a bool is neither 0 nor 1")


def entropy_coded() -> tuple[bytes, dict[str, Any]]:
    weight, quantized = on_grid((16, 100), 8)
    payload, layout = pack_tensors({"w": weight}, {"w": quantized}, "deflate")
    return bytes(payload.tolist()), layout


def test_streams_that_are_refused() -> None:
    payload, layout = entropy_coded()
    (size,) = layout["tensors"][0][5]
    rest = payload[size:]

    def with_stream(stream: bytes) -> tuple[str, str]:
        claimed = copy.deepcopy(layout)
        claimed["tensors"][0][5] = [len(stream)]
        return refused(torch.tensor(list(stream + rest), dtype=torch.uint8), claimed)

    wrong = ("model_packed_invalid", "the integers of w do not come to 1600 bytes")
    assert with_stream(payload[: size - 1]) == wrong  # cut off
    assert with_stream(payload[:size] + b"x") == wrong  # followed by something
    assert with_stream(deflated([bytes([128] * 1599)])) == wrong
    assert with_stream(deflated([bytes([128] * 1601)])) == wrong
    assert with_stream(deflated([bytes(1_000_000)])) == wrong
    assert with_stream(b"\xff" * 30) == ("model_packed_invalid", "the integers of w are no deflate stream")
    assert with_stream(b"") == wrong


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GB of weights in 2 kB: refused without asking zlib for a byte."""
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("the bomb was touched"))
    layout = {
        "version": 1,
        "tensors": [["w", "float32", [2**17, 2**17], 4, 4, [1000, 1000]]],
        "scales": 0,
        "plain": {},
    }
    assert refused(torch.zeros(2000, dtype=torch.uint8), layout) == (
        "model_packed_too_large",
        "a payload of 2000 bytes stands for too many bytes of weights",
    )
    layout["tensors"] = [["w", "float32", [2**31 - 1] * 8, 4, 4, [1000, 1000]]]
    assert refused(torch.zeros(2000, dtype=torch.uint8), layout) == (
        "model_packed_too_large",
        "a tensor is larger than memory can be",
    )


def test_what_expands_too_far_is_stored_larger() -> None:
    """32 MB of zeros would be a payload of a few kB that no reader takes."""
    zeros = torch.zeros(1, 2**23)
    size = round_trip({"w": zeros}, {"w": Quantized(4, torch.ones(1))}, "deflate")
    assert size == 2**20 + 4
    assert zeros.nbytes / size < MAX_EXPANSION


def test_no_flipped_bit_or_truncation_passes_in_silence() -> None:
    """Streams carry no checksum (the zip's record does): what is read has the right shapes, or is refused."""
    payload, layout = entropy_coded()
    for index in range(0, len(payload), 7):
        flipped = bytearray(payload)
        flipped[index] ^= 0x10
        try:
            tensors = unpack_tensors(torch.frombuffer(flipped, dtype=torch.uint8), layout)
        except PackError:
            continue
        assert tensors["w"].shape == (16, 100)
        assert tensors["w"].isfinite().all()
    for length in range(0, len(payload), 97):
        cut = torch.frombuffer(bytearray(payload[:length] or b"x"), dtype=torch.uint8)
        assert refused(cut, layout)[1].startswith("its payload has ")
