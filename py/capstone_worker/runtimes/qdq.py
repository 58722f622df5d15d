"""A statically quantised network as ONNX says it: pairs of QuantizeLinear and DequantizeLinear.

ONNX Runtime and OpenVINO compute in int8 what stands between two pairs. The weights are integers in the file;
so is a bias, at the scale of its sums of products, without which ONNX Runtime would compute in float32.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from ..models import Int8Conv2d, Int8Weight, QuantizeEdge, StaticInt8Linear
from .int8_operations import edges_of_values, module_of

_MAX_INT32 = 2**31 - 1


def as_qdq(network: fx.GraphModule) -> fx.GraphModule:
    """A copy that computes the same, and that torch.onnx.export writes with such pairs."""
    ready = copy.deepcopy(network)
    edge_of = edges_of_values(ready)
    made: dict[str, nn.Module] = {}
    for node in ready.graph.nodes:
        module = module_of(node, ready)
        path = str(node.target)
        if isinstance(module, QuantizeEdge):
            made[path] = _Edge(module)
        elif isinstance(module, Int8Conv2d | StaticInt8Linear):
            edge = edge_of.get(node.all_input_nodes[0])
            scale = ready.get_submodule(str(edge.target)).scale if edge else None
            if path in made:  # a layer that is called twice, perhaps on another scale
                path = node.target = f"{path}_{node.name}"
            made[path] = _Conv2d(module, scale) if isinstance(module, Int8Conv2d) else _Linear(module, scale)
    for path, module in made.items():
        ready.add_submodule(path, module)
    ready.recompile()
    return ready


class _Edge(nn.Module):
    """A pair; the scale and the zero point, of type uint8 for ONNX to know the bytes by, are as before."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, edge: QuantizeEdge) -> None:
        super().__init__()
        self.register_buffer("scale", edge.scale)
        self.register_buffer("zero_point", edge.zero_point.to(torch.uint8))

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = _Pair.apply(inputs, self.scale, self.zero_point)
        return found


class _Weights(nn.Module):
    """A layer's int8 weight with the output channels in dimension `axis`, and its bias.

    The bias is int32 at the scale of the layer's sums, which quantising sees to that it fits into; float32
    where the layer's inputs have no scale.
    """

    weight: Tensor
    scale: Tensor
    zero_point: Tensor
    bias: Tensor | None
    bias_scale: Tensor

    def __init__(self, layer: Int8Weight, input_scale: Tensor | None, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("weight", layer.weight.transpose(0, axis).contiguous())
        self.register_buffer("scale", layer.scale)
        self.register_buffer("zero_point", torch.zeros(len(layer.scale), dtype=torch.int8))
        bias = layer.bias
        if bias is not None and input_scale is not None:
            self.register_buffer("bias_scale", layer.scale * input_scale)
            steps = (bias.double() / self.bias_scale).round()
            bias = steps.clamp(-_MAX_INT32, _MAX_INT32).to(torch.int32)
        self.register_buffer("bias", bias)

    def floats(self) -> tuple[Tensor, Tensor | None]:
        """The weight and the bias dequantised."""
        weight: Tensor = _Dequantize.apply(self.weight, self.scale, self.zero_point, self.axis)
        bias = self.bias
        if bias is not None and bias.dtype == torch.int32:
            bias = _Dequantize.apply(bias, self.bias_scale, None, 0)
        return weight, bias


class _Conv2d(nn.Module):
    def __init__(self, layer: Int8Conv2d, input_scale: Tensor | None) -> None:
        super().__init__()
        self.weights = _Weights(layer, input_scale, axis=0)
        self.stride, self.padding = layer.stride, layer.padding
        self.dilation, self.groups = layer.dilation, layer.groups

    def forward(self, inputs: Tensor) -> Tensor:
        weight, bias = self.weights.floats()
        return F.conv2d(inputs, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class _Linear(nn.Module):
    """Its weight is written (in, out): a Transpose between it and the product would hide the pair."""

    def __init__(self, layer: StaticInt8Linear, input_scale: Tensor | None) -> None:
        super().__init__()
        self.weights = _Weights(layer, input_scale, axis=1)

    def forward(self, inputs: Tensor) -> Tensor:
        weight, bias = self.weights.floats()
        if bias is None:
            return inputs @ weight
        return torch.addmm(bias, inputs, weight) if inputs.dim() == 2 else inputs @ weight + bias


class _Pair(torch.autograd.Function):
    """What `QuantizeEdge` computes, and how the exporter writes it."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        steps = (inputs / scale).round() + zero_point
        return (steps.clamp(0, 255) - zero_point) * scale

    @staticmethod
    def symbolic(graph: Any, inputs: Any, scale: Any, zero_point: Any) -> Any:  # noqa: ANN401 - values of TorchScript
        quantized = graph.op("QuantizeLinear", inputs, scale, zero_point)
        floats = graph.op("DequantizeLinear", quantized, scale, zero_point)
        floats.setType(inputs.type())
        return floats


class _Dequantize(torch.autograd.Function):
    """Integers times the scale of their channel, and how the exporter writes it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, zero_point: Tensor | None, axis: int) -> Tensor:  # noqa: ANN401 - torch's own
        channels = [1] * values.dim()
        channels[axis] = -1
        return values * scale.view(channels)

    @staticmethod
    def symbolic(graph: Any, values: Any, scale: Any, zero_point: Any, axis: int) -> Any:  # noqa: ANN401 - values of TorchScript
        inputs = (values, scale) if zero_point is None else (values, scale, zero_point)
        floats = graph.op("DequantizeLinear", *inputs, axis_i=axis)
        floats.setType(scale.type().with_sizes(values.type().sizes()))
        return floats
