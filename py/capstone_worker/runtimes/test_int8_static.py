"""How torch and ONNX are told to compute in int8: which kernels, on what, and what they give."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, fx, nn

from ..errors import MachineError
from ..graph.trace import trace
from ..models import Int8Conv2d, Int8Weight, QuantizeEdge, StaticInt8Linear
from .lower_int8 import choose_engine, lower_static
from .registry import RUNTIMES
from .source import Source

ENGINES = ("x86", "fbgemm", "onednn", "qnnpack")


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    before = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = before


class Mixed(nn.Module):
    """Values in bytes and in float32, groups, a ReLU that stands alone, a layer called twice, additions."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.ModuleList([QuantizeEdge() for _ in range(8)])
        self.stem = Int8Conv2d(3, 16, 5, stride=2, padding=2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.relu = nn.ReLU()
        self.depthwise = Int8Conv2d(16, 16, 3, padding=2, dilation=2, groups=16, bias=False)
        self.act = nn.GELU()
        self.twice = Int8Conv2d(16, 16, 1)
        self.mean = nn.AdaptiveAvgPool2d(2)
        self.first = StaticInt8Linear(64, 32)
        self.drop = nn.Dropout(0.5)
        self.head = StaticInt8Linear(32, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 10)."""
        x = self.pool(self.edges[1](self.relu(self.stem(self.edges[0](images)))))
        y = self.edges[3](self.act(self.edges[2](self.depthwise(x))))
        y = self.edges[5](self.twice(self.edges[4](self.twice(y))))
        y = self.edges[6](y + x)
        z = torch.flatten(self.mean(self.relu(y) + self.act(y)), 1)
        z = self.edges[7](self.relu(self.first(self.edges[3](z))))
        logits: Tensor = self.head(self.drop(z))
        return logits


@pytest.fixture(scope="module")
def network() -> fx.GraphModule:
    torch.manual_seed(0)
    module = Mixed().eval()
    for part in module.modules():
        if isinstance(part, Int8Weight):
            part.weight = torch.randint(-127, 128, part.weight.shape).to(torch.int8)
            part.scale = (torch.rand(len(part.scale)) + 0.5) / 127 / part.weight[0].numel() ** 0.5
            if part.bias is not None:
                part.bias = torch.randn(len(part.bias)) / 10
        if isinstance(part, QuantizeEdge):
            part.scale.fill_(4 / 127)
            part.zero_point.fill_(50)
    for behind_relu in (1, 7):
        module.edges[behind_relu].get_buffer("zero_point").fill_(0)
    return trace(module)


@pytest.fixture(scope="module")
def images() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(16, 3, 32, 32)


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def called(node: fx.Node, network: fx.GraphModule) -> str:
    if node.op == "call_module":
        return type(network.get_submodule(str(node.target))).__name__
    if isinstance(node.target, torch._ops.OpOverloadPacket):
        return str(node.target)
    return node.target if isinstance(node.target, str) else node.target.__name__


def test_what_torch_computes_on_bytes(network: fx.GraphModule) -> None:
    lowered = lower_static(network)
    assert [called(node, lowered) for node in lowered.graph.nodes if node.op.startswith("call")] == [
        "quantize_per_tensor",
        "ConvReLU2d",
        "MaxPool2d",
        "Conv2d",
        "dequantize",
        "GELU",
        "quantize_per_tensor",
        "Conv2d",
        "Conv2d",
        "quantized.add",
        "ReLU",
        "dequantize",
        "GELU",
        "dequantize",
        "add",
        "AdaptiveAvgPool2d",
        "flatten",
        "quantize_per_tensor",
        "LinearReLU",
        "Dropout",
        "dequantize",
        "_LinearToFloat",
    ]


@pytest.mark.parametrize("engine_name", ENGINES)
def test_every_engine_computes_what_the_graph_says(
    network: fx.GraphModule, images: Tensor, engine_name: str
) -> None:
    lowered = lower_static(network, engine_name)
    assert torch.backends.quantized.engine == engine_name
    with torch.inference_mode():
        assert 0 < relative_error(lowered(images), network(images)) < 0.05


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_computes_what_the_graph_says(
    network: fx.GraphModule, images: Tensor, name: str
) -> None:
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    prepared = RUNTIMES[name].prepare(Source(network, 32), threads=1)
    assert prepared.dtype == "int8"
    with torch.inference_mode():
        for count in (1, 16, 3):
            assert relative_error(prepared.forward(images[:count]), network(images[:count])) < 0.05
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_the_best_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_engine() in torch.backends.quantized.supported_engines
    engines = type(torch.backends.quantized)
    for supported, expected in (
        (["qnnpack", "onednn", "fbgemm"], "fbgemm"),
        (["none", "qnnpack"], "qnnpack"),
    ):
        monkeypatch.setattr(engines, "supported_engines", supported)
        assert choose_engine() == expected
    monkeypatch.setattr(engines, "supported_engines", ["none"])
    monkeypatch.setattr(torch, "__version__", "2.2.2")
    with pytest.raises(MachineError) as caught:
        choose_engine()
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "int8_missing",
        "torch 2.2.2 has no engine for int8 on this CPU: none of x86, fbgemm, qnnpack",
        "Use the runtime onnxruntime",
    )


def test_the_onnx_file_holds_integers(network: fx.GraphModule) -> None:
    model = onnx.load(io.BytesIO(Source(network, 32).onnx))
    onnx.checker.check_model(model, full_check=True)
    sizes: Counter[int] = Counter()
    for tensor in model.graph.initializer:
        sizes[tensor.data_type] += int(torch.tensor(tensor.dims).prod())
    weights = sum(part.weight.numel() for part in network.modules() if isinstance(part, Int8Weight))
    assert sizes[onnx.TensorProto.INT8] >= weights
    assert sizes[onnx.TensorProto.FLOAT] < 400, "scales alone"
    assert sizes[onnx.TensorProto.INT32] == 16 + 16 + 32, "the biases"


def test_onnxruntime_computes_in_int8(network: fx.GraphModule, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(Source(network, 32).onnx, options, providers=["CPUExecutionProvider"])
    ops = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (ops["QLinearConv"], ops["QLinearAdd"], ops["QGemm"]) == (4, 1, 1), ops
    assert not {"Conv", "Gemm", "FusedConv"} & set(ops)
