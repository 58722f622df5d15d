"""The step `quantize_static`; torch's own quantisation of the same network is the judge."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

from ..data.subset import balanced_subset
from ..errors import Stopped, UserError
from ..graph.trace import trace
from ..models import Int8Conv2d, Int8Weight, QuantizeEdge, StaticInt8Linear
from ..models.conftest import IMAGES, Fresh, digest
from ..models.file import load_model, save_model
from ..report import Event
from ..runtimes.registry import RUNTIMES
from ..runtimes.source import Source
from ..training.batches import normalized
from .base import Applied
from .conftest import adapted, images_of_fashion, images_to_test, no_images, with_images
from .quantize_dynamic import QuantizeDynamic
from .quantize_static import QuantizeStatic
from .specialize import Specialize

SAMPLES = 128
ARCHS = ("resnet20", "resnet18")
RECORD = {"model": {"arch": "any", "num_classes": 10, "image_size": 32}}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ignore(event: Event) -> None:
    pass


@cache
def network_of(arch: str) -> fx.GraphModule:
    return adapted(arch)


@cache
def quantized(arch: str, weight_bits: int = 8) -> Applied:
    step = QuantizeStatic("x86", calibration_samples=SAMPLES, weight_bits=weight_bits)
    return step.apply(network_of(arch), with_images(), ignore)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def agreement(found: Tensor, expected: Tensor) -> float:
    return float((found.argmax(1) == expected.argmax(1)).float().mean())


def run(name: str, network: fx.GraphModule, images: Tensor) -> Tensor:
    """The logits in a runtime, which must say that they were computed in int8."""
    prepared = RUNTIMES[name].prepare(Source(network, 32), threads=1)
    assert prepared.dtype == "int8"
    return prepared.forward(images)


def by_torch(network: fx.GraphModule) -> fx.GraphModule:
    """torch's own static quantisation, calibrated with the same images."""
    data = images_of_fashion()
    chosen = balanced_subset(data.train_labels, SAMPLES, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = quantize_fx.prepare_fx(
            copy.deepcopy(network), get_default_qconfig_mapping("x86"), (torch.zeros(1, 3, 32, 32),)
        )
        with torch.no_grad():
            for batch in chosen.split(64):
                prepared(normalized(data.train_images[batch], data.mean, data.std))
        return quantize_fx.convert_fx(prepared)


@pytest.mark.parametrize("arch", ARCHS)
def test_as_close_to_float32_as_torchs_own(arch: str) -> None:
    images = images_to_test(64)
    with torch.inference_mode():
        expected = network_of(arch)(images)
        judge = relative_error(by_torch(network_of(arch))(images), expected)
        reference = quantized(arch).network(images)
    found = run("torch", quantized(arch).network, images)
    assert 0 < relative_error(found, expected) < 1.1 * judge
    assert 0 < relative_error(reference, expected) < 1.1 * judge
    assert relative_error(found, reference) < 0.5 * judge


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_computes_what_the_graph_says(arch: str, name: str) -> None:
    """Within what rounding at the border between two bytes makes of it, layer after layer."""
    images = images_to_test(64)
    network = quantized(arch).network
    with torch.inference_mode():
        expected = network(images)
    found = run(name, network, images)
    assert found.dtype == torch.float32
    assert relative_error(found, expected) < (0.1 if arch == "resnet20" else 0.2)
    assert agreement(found, expected) >= (0.95 if arch == "resnet20" else 0.75)
    assert torch.equal(run(name, network, images[:5]), found[:5]) or name in ("onnxruntime", "openvino")


@pytest.mark.parametrize(("weight_bits", "largest"), [(8, 127), (4, 7)])
def test_the_integers(weight_bits: int, largest: int) -> None:
    """Of each output channel the largest weight is at the end of the range; all are within half a scale."""
    applied = quantized("resnet20", weight_bits)
    assert applied.record == {
        "step": "quantize_static",
        "backend": "x86",
        "calibration_samples": SAMPLES,
        "layers": 22,
        "weight_bits": weight_bits,
    }
    folded = Specialize().apply(network_of("resnet20"), with_images(), ignore).network
    layers = {
        name: module for name, module in applied.network.named_modules() if isinstance(module, Int8Weight)
    }
    assert len(layers) == 22
    assert {"conv1", "fc"} < set(layers)
    for name, layer in layers.items():
        float_layer = folded.get_submodule(name)
        assert layer.weight.dtype == torch.int8
        rows = layer.weight.flatten(1).abs().amax(1)
        assert rows.eq(largest).all(), name
        off = (layer.float_weight() - float_layer.weight).flatten(1).abs()
        assert (off <= layer.scale[:, None] / 2 * 1.0001).all(), name
        assert layer.bias is not None
        torch.testing.assert_close(layer.bias, float_layer.bias.detach())


@pytest.mark.parametrize(("backend", "largest"), [("x86_vnni", 255), ("x86", 127), ("qnnpack", 255)])
def test_activations_lie_in_the_range_of_the_backend(
    backend: Literal["x86_vnni", "x86", "qnnpack"], largest: int
) -> None:
    """Its end is about what comes up; what is beyond is a byte all the same, where there are any left."""
    applied = QuantizeStatic(backend, calibration_samples=SAMPLES).apply(
        network_of("resnet20"), with_images(), ignore
    )
    assert applied.record["backend"] == backend
    highest = []
    for module in applied.network.modules():
        if isinstance(module, QuantizeEdge):
            module.register_forward_hook(
                lambda edge, _, values: highest.append(
                    int((values / edge.scale).max().round() + edge.zero_point)
                )
            )
    with torch.no_grad():
        applied.network(images_to_test(64))
    assert len(highest) == 1 + 21 + 9 + 1  # images, convolutions, additions, what fc reads
    assert 0.8 * largest < median(highest) < 1.3 * largest
    assert max(highest) <= 255


def test_edges_stand_behind_relu(arch: str = "resnet20") -> None:
    network = quantized(arch).network
    (relu,) = [node for node in network.graph.nodes if node.name == "layer1_0_relu_1"]
    (edge,) = relu.users
    assert (relu.args[0].name, edge.target) == ("add", "edges.layer1_0_relu_1")
    assert [node.target for node in network.graph.nodes][:5] == [
        "images",
        "edges.images",
        "conv1",
        "relu",
        "edges.relu",
    ]
    assert not any(isinstance(module, nn.BatchNorm2d | nn.Conv2d | nn.Linear) for module in network.modules())


@pytest.mark.parametrize("name", ["reference", "torch"])
def test_a_file_and_a_fresh_process_compute_the_same(
    name: str, said_in_a_fresh_process: Fresh, tmp_path: Path
) -> None:
    network = quantized("resnet20").network
    path = tmp_path / "m.pt"
    sha256, size = save_model(path, network, RECORD)
    loaded = load_model(path).network
    assert size < 0.36 * save_model(tmp_path / "float.pt", network_of("resnet20"), RECORD)[1]
    assert save_model(tmp_path / "again.pt", loaded, RECORD) == (sha256, size)
    there = said_in_a_fresh_process(path, name)
    for it in (network, loaded):
        here = it(IMAGES) if name == "reference" else run("torch", it, IMAGES)
        assert there == [digest(here)]


def test_the_same_images_give_the_same_network() -> None:
    """The choice of images follows the seed; nothing else is drawn."""
    step = QuantizeStatic("x86", calibration_samples=50, batch_size=20)
    first, again, other = (
        step.apply(network_of("resnet20"), replace(with_images(), seed=seed), ignore).network.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert not all(torch.equal(tensor, other[name]) for name, tensor in first.items())


def test_the_given_network_stays() -> None:
    network = network_of("resnet20")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    nodes = [str(node) for node in network.graph.nodes]
    QuantizeStatic(calibration_samples=8).apply(network, with_images(), ignore)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [str(node) for node in network.graph.nodes] == nodes


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(900, 10)).eval()


def test_progress_and_a_stop() -> None:
    events: list[Event] = []
    QuantizeStatic(calibration_samples=50, batch_size=20).apply(trace(small()), with_images(), events.append)
    assert [(event["done"], event["total"], event["unit"]) for event in events] == [
        (20, 50, "images"),
        (40, 50, "images"),
        (50, 50, "images"),
    ]
    assert {(event["type"], event["phase"]) for event in events} == {("progress", "quantize_static")}
    events.clear()
    context = replace(with_images(), should_stop=lambda: len(events) == 2)
    with pytest.raises(Stopped):
        QuantizeStatic(calibration_samples=50, batch_size=20).apply(trace(small()), context, events.append)
    assert len(events) == 2


def test_without_relu_and_with_all_images() -> None:
    """Logits are no bytes, so a Linear at the end has an edge in front of it alone."""
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).eval())
    applied = QuantizeStatic(calibration_samples=10_000).apply(network, with_images(), ignore)
    assert applied.record["calibration_samples"] == 600
    assert {name: type(module) for name, module in applied.network.named_children()} == {
        "0": nn.Flatten,
        "edges": nn.Module,
        "1": StaticInt8Linear,
    }


def refused(network: nn.Module) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        QuantizeStatic(calibration_samples=8).apply(trace(network), with_images(), ignore)
    return caught.value.code, caught.value.message, caught.value.hint


DIVERGED = "The training diverged: train again with a smaller learning rate"


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_weights_that_are_not_finite(part: str) -> None:
    network = small()
    with torch.no_grad():
        network[0].get_parameter(part).view(-1)[0] = float("nan")
    assert refused(network) == (
        "weights_not_finite",
        f"quantize_static: 0.{part} holds NaN or infinity",
        DIVERGED,
    )


def test_activations_that_are_not_finite() -> None:
    network = small()
    with torch.no_grad():
        network[0].weight.mul_(1e38)
        network[3].weight.mul_(1e38)
    network.insert(1, nn.BatchNorm2d(4))
    network.insert(1, nn.Conv2d(4, 4, 1))
    with torch.no_grad():
        network[1].weight.fill_(1e10)
    assert refused(network.eval()) == (
        "activations_not_finite",
        "quantize_static: training images give NaN or infinity inside the network",
        DIVERGED,
    )


def test_nothing_to_quantize() -> None:
    assert refused(nn.Sequential(nn.Flatten())) == (
        "nothing_to_quantize",
        "quantize_static: the network has no Conv2d and no Linear layer",
        "Leave the step out of this model's recipe",
    )


def test_a_network_that_is_quantised_already() -> None:
    dynamic = QuantizeDynamic().apply(trace(small()), with_images(), ignore).network
    static = QuantizeStatic(calibration_samples=8).apply(trace(small()), with_images(), ignore).network
    for network in (dynamic, static):
        with pytest.raises(UserError) as caught:
            QuantizeStatic().apply(network, replace(with_images(), load=no_images), ignore)
        assert (caught.value.code, caught.value.message, caught.value.hint) == (
            "already_quantized",
            "quantize_static: the network holds int8 weights already",
            "Leave out one of the steps that quantise",
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "cuda"}, "backend: expected auto, x86_vnni, x86, qnnpack, found 'cuda'"),
        ({"calibration_samples": 0}, "calibration_samples: expected a number from 1, found 0"),
        ({"batch_size": 0}, "batch_size: expected a number from 1, found 0"),
        ({"weight_bits": 1}, "weight_bits: expected a number from 2 to 8, found 1"),
        ({"weight_bits": 9}, "weight_bits: expected a number from 2 to 8, found 9"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        QuantizeStatic(**settings)
    assert (caught.value.code, caught.value.message) == ("step_invalid", f"quantize_static, {message}")


def test_auto_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    applied = QuantizeStatic(calibration_samples=8).apply(trace(small()), with_images(), ignore)
    assert applied.record["backend"] == "qnnpack"


def test_a_layer_that_is_called_twice_keeps_one_weight() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    network = trace(nn.Sequential(conv, nn.ReLU(), conv, nn.Flatten()).eval())
    applied = QuantizeStatic(calibration_samples=32).apply(network, with_images(), ignore)
    assert applied.record["layers"] == 1
    assert sum(isinstance(module, Int8Conv2d) for module in applied.network.modules()) == 1
    images = images_to_test(8)
    with torch.inference_mode():
        assert relative_error(run("torch", applied.network, images), network(images)) < 0.05


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_channel_that_training_gave_up_keeps_its_bias(name: str) -> None:
    """Beside weights as small as these the bias would not fit into 32 bits."""
    network = small()
    with torch.no_grad():
        network[0].weight[1] *= 1e-12
        network[0].bias[1] = 2.0
    applied = QuantizeStatic(calibration_samples=32).apply(trace(network), with_images(), ignore)
    images = images_to_test(8)
    with torch.inference_mode():
        assert relative_error(run(name, applied.network, images), network(images)) < 0.05
