"""The step `pack`: what it rounds, what it leaves, what `auto` chooses, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from ..artifact.pack import dequantized
from ..artifact.packed_layout import BITS
from ..data.cache import Dataset
from ..errors import Stopped, UserError
from ..graph.trace import trace
from ..models.build import build
from ..models.file import load_model, save_model
from ..models.packed import packing_of
from ..models.vit import VisionTransformer
from ..report import Event
from .base import Context
from .bits_by_sensitivity import choose_bits, divergence
from .channel_grid import quantize_channels
from .conftest import at
from .pack import Pack, float_weights
from .quantize_dynamic import QuantizeDynamic

RECORD = {"model": {"arch": "tiny", "num_classes": 10, "image_size": 32}}


def ignore(event: Event) -> None:
    pass


@pytest.fixture(scope="module")
def resnet20() -> fx.GraphModule:
    network = build("resnet20", num_classes=10, stem="cifar", image_size=32, seed=0)
    return trace(network.eval())


@pytest.fixture(scope="module")
def vit() -> fx.GraphModule:
    """As ViT-B/16 in all but its size."""
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=64, mlp_dim=256, num_classes=10
    )
    return trace(network.eval())


def with_images() -> Context:
    """Noise in 10 classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (100, 3, 32, 32), generator=generator).to(torch.uint8)
    labels = torch.arange(100) % 10
    data = Dataset(
        images, labels, images[:10], labels[:10], tuple("abcdefghij"), (0.5,) * 3, (0.3,) * 3, "0" * 64
    )
    return replace(at(32), load=lambda: data)


def logits(network: nn.Module) -> Tensor:
    with torch.inference_mode():
        return network(torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32))  # type: ignore[no-any-return]


@pytest.mark.parametrize("bits", BITS)
def test_weights_are_within_half_a_scale(bits: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 8, 3, 3)
    integers, scale = quantize_channels(weight, bits)
    most = 2 ** (bits - 1) - 1
    assert (integers.dtype, integers.shape, scale.shape) == (torch.int8, weight.shape, (16,))
    assert integers.abs().flatten(1).amax(1).eq(most).all()
    rows = scale.view(-1, 1, 1, 1)
    inside = weight.abs() <= rows * most  # the largest may be a little beyond: scales have 13 bits
    error = (dequantized(integers, scale) - weight).abs() / rows
    assert (error[inside] <= 0.5001).all()
    assert (error <= 0.5001 + most * 2.0**-12).all()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("fewer", BITS)
def test_what_lies_on_a_grid_stays(bits: int, fewer: int) -> None:
    """As a training for few bits leaves it: scales of any float, a channel of zeros among them."""
    if fewer > bits:
        bits, fewer = fewer, bits
    torch.manual_seed(bits)
    most = 2 ** (fewer - 1) - 1
    integers = torch.randint(-most, most + 1, (300, 4, 3)).to(torch.int8)
    integers[:, 0, 0] = -most
    integers[7] = 0
    scale = torch.rand(300) / 100
    weight = dequantized(integers, scale)
    again, of_them = quantize_channels(weight, bits)
    assert torch.equal(dequantized(again, of_them), weight)
    assert torch.equal(again[:7], integers[:7])
    nearly = weight * (1 + 2.0**-22)
    moved = dequantized(*quantize_channels(nearly, bits))
    assert ((moved - nearly).abs() <= nearly.abs() * 2.0**-22).all()


def test_channels_without_a_scale() -> None:
    weight = torch.tensor([[0.0, 0], [1e-45, 0], [1e-38, -1e-38], [3e38, -3e38]])
    integers, scale = quantize_channels(weight, 8)
    assert integers.tolist() == [[0, 0], [0, 0], [0, 0], [7, -7]]
    assert scale[:3].tolist() == [1, 1, 1]
    assert quantize_channels(torch.zeros(2, 0), 4)[0].shape == (2, 0)


@pytest.mark.parametrize("codec", ["deflate", "none"])
def test_a_number_of_bits(resnet20: fx.GraphModule, tmp_path: Path, codec: Any) -> None:  # noqa: ANN401
    before = {name: tensor.clone() for name, tensor in resnet20.state_dict().items()}
    applied = Pack(5, codec, 0.01).apply(resnet20, at(32), ignore)
    weights = float_weights(applied.network)
    assert len(weights) == 22
    for name, tensor in applied.network.state_dict().items():
        assert torch.equal(resnet20.state_dict()[name], before[name]), "the given network was changed"
        assert torch.equal(tensor, before[name]) == (name not in weights), name
    _, size = save_model(tmp_path / "m.pt", applied.network, RECORD)
    assert applied.record == {
        "step": "pack",
        "codec": codec,
        "bits": 5,
        "bytes_before": sum(tensor.nbytes for tensor in before.values()),
        "bytes_after": applied.record["bytes_after"],
    }
    assert 0 < size - applied.record["bytes_after"] < 2000, "a zip around the payload"
    count = sum(weight.numel() for weight in weights.values())
    assert applied.record["bytes_after"] < count * 5 / 8 + 22_000, "norms, scales, graph and layout"
    assert torch.equal(logits(load_model(tmp_path / "m.pt").network), logits(applied.network))
    twice = Pack(5, codec, 0.01).apply(applied.network, at(32), ignore)
    assert twice.record == applied.record
    save_model(tmp_path / "again.pt", twice.network, RECORD)
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "m.pt").read_bytes()


def test_a_vit(vit: fx.GraphModule, tmp_path: Path) -> None:
    """All matrices, the attention's too; neither class token nor position embedding."""
    applied = Pack(8, "deflate", 0.01).apply(vit, at(32), ignore)
    packing = packing_of(applied.network)
    assert packing is not None
    assert [name.split(".")[-2:] for name in packing.quantized][:3] == [
        ["conv_proj", "weight"],
        ["self_attention", "in_proj_weight"],
        ["out_proj", "weight"],
    ]
    assert len(packing.quantized) == 1 + 2 * 4 + 1
    save_model(tmp_path / "m.pt", applied.network, RECORD)
    assert torch.equal(logits(load_model(tmp_path / "m.pt").network), logits(applied.network))


def test_what_is_int8_stays(vit: fx.GraphModule, tmp_path: Path) -> None:
    quantized = QuantizeDynamic().apply(vit, at(32), ignore).network
    applied = Pack(4, "deflate", 0.01).apply(quantized, at(32), ignore)
    before, after = quantized.state_dict(), applied.network.state_dict()
    integers = [name for name, tensor in before.items() if tensor.dtype == torch.int8]
    assert len(integers) == 5
    assert all(torch.equal(before[name], after[name]) for name in integers)
    _, size = save_model(tmp_path / "m.pt", applied.network, RECORD)
    assert size < save_model(tmp_path / "plain.pt", quantized, RECORD)[1]
    loaded = load_model(tmp_path / "m.pt").network
    assert torch.equal(logits(loaded), logits(applied.network))
    assert all(torch.equal(loaded.state_dict()[name], before[name]) for name in integers)


def test_auto(resnet20: fx.GraphModule, tmp_path: Path) -> None:
    context, events = with_images(), list[Event]()
    bits, found = {}, {}
    for budget in (1e-9, 1e-4, 1.0):
        events.clear()
        applied = found[budget] = Pack("auto", "deflate", budget).apply(resnet20, context, events.append)
        packing = packing_of(applied.network)
        assert packing is not None
        bits[budget] = [its.bits for its in packing.quantized.values()]
        assert applied.record["divergence"] <= budget or budget == 1e-9
        assert events[-1]["done"] <= events[-1]["total"] == 22 + 1 + 7
        assert (events[-1]["phase"], events[-1]["unit"]) == ("pack", "trials")
    assert bits[1e-9] == [8] * 22
    assert bits[1.0] == [4] * 22
    assert 4 < sum(bits[1e-4]) / 22 < 8
    middle = found[1e-4]
    names = middle.record["bits"]
    assert sorted(name for group in names.values() for name in group) == sorted(
        name.removesuffix(".weight") for name in float_weights(resnet20)
    )
    assert list(names) == sorted(names)
    save_model(tmp_path / "m.pt", middle.network, RECORD)
    assert torch.equal(logits(load_model(tmp_path / "m.pt").network), logits(middle.network))
    with pytest.raises(Stopped):
        Pack("auto", "deflate", 1e-4).apply(resnet20, replace(context, should_stop=lambda: True), ignore)


def test_bits_go_where_they_matter() -> None:
    """Damage of a layer at b bits: its weight in the sum times a quarter for each bit; here exactly so."""
    damages = {"calm": 1.0, "nervous": 100.0, "large": 1.0}

    def damage(bits: Mapping[str, int]) -> float:
        return sum(damages[name] * 4.0 ** (4 - its) for name, its in bits.items())

    layers = {"calm": 100, "nervous": 100, "large": 10_000}
    chosen = choose_bits(layers, damage, 3.0)
    assert chosen.damage == damage(chosen.bits) <= 3.0
    assert chosen.bits == {"calm": 4, "nervous": 8, "large": 4}
    assert choose_bits(layers, damage, 1000.0).bits == dict.fromkeys(layers, 4)
    assert choose_bits(layers, damage, 0.0).bits == dict.fromkeys(layers, 8)
    assert choose_bits(layers, lambda bits: float("nan"), 1000.0).bits == dict.fromkeys(layers, 8)
    assert choose_bits({}, damage, 1.0).bits == {}


def test_divergence() -> None:
    """The independent judge is torch."""
    torch.manual_seed(0)
    one, other = torch.randn(2, 5, 4)
    judge = nn.functional.kl_div(
        other.log_softmax(1), one.log_softmax(1), reduction="batchmean", log_target=True
    )
    assert divergence(one, other) == pytest.approx(judge.item(), rel=1e-5)
    assert divergence(one, one + 3) == pytest.approx(0, abs=1e-12)


def test_weights_that_are_not_finite(resnet20: fx.GraphModule) -> None:
    network = trace(nn.Sequential(nn.Conv2d(3, 4, 3)))
    with torch.no_grad():
        network.get_parameter("0.weight")[0, 0] = float("inf")
    with pytest.raises(UserError) as caught:
        Pack(8, "deflate", 0.01).apply(network, at(32), ignore)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "weights_not_finite",
        "pack: 0.weight holds NaN or infinity",
        "The training diverged: train again with a smaller learning rate",
    )


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            (3, "deflate", 0.01),
            "pack, bits: expected 4 to 8 or auto, found 3",
            "Give a number of bits, for example 8",
        ),
        (
            (True, "deflate", 0.01),
            "pack, bits: expected 4 to 8 or auto, found True",
            "Give a number of bits, for example 8",
        ),
        ((8, "xz", 0.01), "pack, codec: expected deflate or none, found 'xz'", "Choose one of these"),
        (
            (8, "none", 0.0),
            "pack, max_divergence: expected a number above 0, found 0.0",
            "Give one, such as 0.01",
        ),
    ],
)
def test_settings_that_are_refused(settings: Any, message: str, hint: str) -> None:  # noqa: ANN401
    with pytest.raises(UserError) as caught:
        Pack(*settings)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("step_invalid", message, hint)
