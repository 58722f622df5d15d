"""Each step by itself, and chains of steps through a file and a fresh process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, fx, nn

from ..errors import UserError
from ..graph.trace import trace
from ..models import Int8Linear
from ..models.build import build
from ..models.conftest import IMAGES, Fresh, digest
from ..models.file import load_model, save_model
from ..models.vit import VisionTransformer
from ..report import Event
from ..runtimes.registry import RUNTIMES
from ..runtimes.source import Source
from .conftest import at
from .prune_magnitude import PruneMagnitude, magnitude_masks
from .quantize_dynamic import QuantizeDynamic, quantize_rows
from .registry import apply_steps

PRUNE = {"step": "prune_magnitude", "amount": 0.5, "scope": "global"}
PRUNE_LAYERS = {"step": "prune_magnitude", "amount": 0.9, "scope": "layer"}
QUANTIZE = {"step": "quantize_dynamic"}
SPECIALIZE = {"step": "specialize"}
AT_32 = at(32)
RECORD = {"model": {"arch": "resnet18", "num_classes": 10, "image_size": 32}}


def ignore(event: Event) -> None:
    pass


def small() -> fx.GraphModule:
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 3)))


@pytest.fixture(scope="module")
def resnet18() -> fx.GraphModule:
    return trace(build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0).eval())


@pytest.fixture(scope="module")
def vit() -> fx.GraphModule:
    """As ViT-B/16 in all but its size."""
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=64, mlp_dim=256, num_classes=10
    )
    return trace(network.eval())


@pytest.mark.parametrize("architecture", ["resnet18", "vit"])
@pytest.mark.parametrize(
    "steps",
    [
        [],
        [PRUNE],
        [QUANTIZE],
        [PRUNE_LAYERS, QUANTIZE],
        [SPECIALIZE],
        [PRUNE, SPECIALIZE, QUANTIZE],
        [QUANTIZE, SPECIALIZE],
    ],
    ids=lambda steps: "+".join(step["step"] for step in steps) or "none",
)
def test_chains_survive_a_file(
    request: pytest.FixtureRequest, architecture: str, steps: list[dict[str, Any]], tmp_path: Path
) -> None:
    network, records = apply_steps(request.getfixturevalue(architecture), steps, AT_32, ignore)
    save_model(tmp_path / "m.pt", network, RECORD)
    loaded = load_model(tmp_path / "m.pt").network
    runtime, images = RUNTIMES["torch"], torch.randn(2, 3, 32, 32)
    assert [record["step"] for record in records] == [step["step"] for step in steps]
    ours, again = (runtime.prepare(Source(it, 32), threads=1) for it in (network, loaded))
    assert torch.equal(again.forward(images), ours.forward(images))
    assert again.dtype == ("int8" if QUANTIZE in steps else "float32")


def test_a_fresh_process_computes_the_same(
    resnet18: fx.GraphModule, said_in_a_fresh_process: Fresh, tmp_path: Path
) -> None:
    network, _ = apply_steps(resnet18, [PRUNE, QUANTIZE], AT_32, ignore)
    save_model(tmp_path / "m.pt", network, RECORD)
    here = RUNTIMES["torch"].prepare(Source(network, 32), threads=1).forward(IMAGES)
    assert said_in_a_fresh_process(tmp_path / "m.pt", "torch") == [digest(here)]


@pytest.mark.parametrize("amount", [0, 0.1, 0.5, 0.999])
def test_exactly_the_smallest_weights_go(amount: float) -> None:
    """The independent judge is a sort."""
    torch.manual_seed(0)
    weights = {"a": torch.randn(4, 3, 3, 3), "b": torch.randn(7, 11)}
    masks = magnitude_masks(weights, amount)
    kept = torch.cat([mask.flatten() for mask in masks.values()])
    magnitudes = torch.cat([weight.flatten() for weight in weights.values()]).abs()
    assert [mask.shape for mask in masks.values()] == [weight.shape for weight in weights.values()]
    wanted = magnitudes.sort().values[: round(amount * 185)]
    assert torch.equal(magnitudes[~kept].sort().values, wanted)


def test_of_equal_weights_the_first_go() -> None:
    masks = magnitude_masks({"a": torch.tensor([2.0, -1, 1]), "b": torch.tensor([0.0, 1, -1])}, 0.5)
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "a": [True, False, False],
        "b": [False, True, True],
    }
    assert magnitude_masks({}, 0.5) == {}


@pytest.mark.parametrize(
    ("scope", "zeroed"), [("global", round(0.5 * 195)), ("layer", round(0.5 * 135) + 30)]
)
def test_prune_magnitude(scope: Literal["global", "layer"], zeroed: int) -> None:
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    applied = PruneMagnitude(0.5, scope).apply(network, AT_32, ignore)
    after = applied.network.state_dict()
    counts = {
        name: int((tensor == 0).sum()) for name, tensor in after.items() if name in ("0.weight", "3.weight")
    }
    assert sum(counts.values()) == zeroed
    assert applied.record == {
        "step": "prune_magnitude",
        "amount": 0.5,
        "scope": scope,
        "weights": 195,
        "zeroed": zeroed,
    }
    for name, tensor in before.items():
        assert torch.equal(network.state_dict()[name], tensor), "the given network was changed"
        assert name in counts or torch.equal(after[name], tensor), "more than weights was changed"
        assert torch.equal(after[name][after[name] != 0], tensor[after[name] != 0])


def test_prune_magnitude_of_a_vit(vit: fx.GraphModule) -> None:
    """Every matrix, the attention's too; neither class token nor position embedding."""
    applied = PruneMagnitude(0.9, "layer").apply(vit, AT_32, ignore)
    pruned = {
        name
        for name, tensor in applied.network.named_parameters()
        if (tensor == 0).sum() > 0.8 * tensor.numel()
    }
    biases = {name for name, tensor in vit.named_parameters() if not tensor.any()}
    assert pruned - biases == {
        "conv_proj.weight",
        *(
            f"encoder.layers.encoder_layer_{layer}.{weight}"
            for layer in (0, 1)
            for weight in (
                "self_attention.in_proj_weight",
                "self_attention.out_proj.weight",
                "mlp.0.weight",
                "mlp.3.weight",
            )
        ),
        "heads.head.weight",
    }
    assert applied.record["weights"] == 3 * 16**2 * 64 + 2 * (4 * 64**2 + 2 * 64 * 256) + 64 * 10


def test_quantize_dynamic_of_a_vit(vit: fx.GraphModule, tmp_path: Path) -> None:
    """Two thirds of an encoder's matrices become a quarter: a ViT's file comes to about half."""
    applied = QuantizeDynamic().apply(vit, AT_32, ignore)
    assert applied.record == {"step": "quantize_dynamic", "layers": 5}
    attention = applied.network.get_submodule("encoder.layers.encoder_layer_0.self_attention")
    assert {name: tensor.dtype for name, tensor in attention.named_parameters()} == dict.fromkeys(
        ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"), torch.float32
    )
    before = tensor_bytes(vit)
    after = tensor_bytes(applied.network)
    linears = 2 * 2 * 64 * 256 + 64 * 10
    scales = 4 * (2 * (256 + 64) + 10)
    assert before - after == 3 * linears - scales
    record = {"model": {"arch": "tiny", "num_classes": 10, "image_size": 32}}
    sizes = [
        save_model(tmp_path / "m.pt", network, record)[1] - tensor_bytes(network)
        for network in (vit, applied.network)
    ]
    assert all(0 < size < 25_000 for size in sizes), (
        "a file is more than its tensors, its graph and its names"
    )


def test_the_vit_file_is_half() -> None:
    """The arithmetic for ViT-B/16 itself, without making its file; the original tool reports 0.51."""
    with torch.device("meta"):
        network = trace(build("vit_b_16", num_classes=10, stem="imagenet", image_size=224, seed=0))
    linears = [module for module in network.modules() if type(module) is nn.Linear]
    before = tensor_bytes(network)
    saved = sum(3 * linear.weight.numel() - 4 * linear.out_features for linear in linears)
    assert (before - saved) / before == pytest.approx(0.506, abs=0.001)


def tensor_bytes(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def test_quantize_rows() -> None:
    weight = torch.tensor([[1.27, -0.635, 0.004], [0, 0, 0], [1e-45, 0, 0]])
    values, scale = quantize_rows(weight)
    assert values.tolist() == [[127, -64, 0], [0, 0, 0], [0, 0, 0]]
    assert torch.allclose(scale, torch.tensor([0.01, 1.0, 1.0]))


def test_quantized_weights_are_within_half_a_scale() -> None:
    torch.manual_seed(0)
    weight = torch.randn(10, 64)
    values, scale = quantize_rows(weight)
    # 1.0001: the division and the product round too
    assert ((values * scale[:, None] - weight).abs() <= scale[:, None] / 2 * 1.0001).all()
    assert values.abs().amax(dim=1).eq(127).all()


def test_quantize_dynamic() -> None:
    network = small()
    applied = QuantizeDynamic().apply(network, AT_32, ignore)
    assert applied.record == {"step": "quantize_dynamic", "layers": 1}
    assert isinstance(applied.network.get_submodule("3"), Int8Linear)
    assert isinstance(network.get_submodule("3"), nn.Linear)
    weight: Tensor = network.get_parameter("3.weight")
    with torch.no_grad():
        weight[0, 0] = float("nan")
    with pytest.raises(UserError) as caught:
        QuantizeDynamic().apply(network, AT_32, ignore)
    assert caught.value.message == "quantize_dynamic: 3.weight holds NaN or infinity"


def test_a_step_is_told_as_a_phase_and_refused_before_any_work() -> None:
    events: list[Event] = []
    apply_steps(small(), [PRUNE, QUANTIZE], AT_32, events.append)
    assert events == [
        {"type": "phase", "phase": "prune_magnitude"},
        {"type": "phase", "phase": "quantize_dynamic"},
    ]
    events.clear()
    for bad, message in (
        (
            {"step": "prune"},
            "there is no step 'prune'; known: specialize, prune_magnitude, prune_structured, prune_depth, "
            "finetune, quantize_dynamic, quantize_static, pack",
        ),
        (PRUNE | {"amount": 1}, "prune_magnitude, amount: expected a number from 0 to below 1, found 1"),
        (PRUNE | {"scope": "all"}, "prune_magnitude, scope: expected global or layer, found 'all'"),
    ):
        with pytest.raises(UserError) as caught:
            apply_steps(small(), [QUANTIZE, bad], AT_32, events.append)
        assert caught.value.message == message
    assert events == []
