"""A statically quantised network as torch executes it: on bytes, by its own quantised kernels.

What the graph says with edges (`QuantizeEdge`) becomes kernels that read and write quint8: a convolution or
Linear with its ReLU and the edge behind it, an addition with these, and everything that keeps bytes as they
are. Whatever has no such kernel gets float32 and gives float32, so that any graph can be lowered.

A kernel adds up exactly and rounds once, the reference rounds sums of float32 as well: where a sum falls close
to the border between two bytes they may differ by one.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.ao.nn.intrinsic import quantized as with_relu
from torch.ao.nn.quantized import Conv2d, Linear, dynamic

from ..errors import MachineError
from ..models import Int8Conv2d, Int8Weight, QuantizeEdge, StaticInt8Linear
from .int8_operations import is_addition, is_relu, keeps_bytes, module_of

_ENGINES = ("x86", "fbgemm", "qnnpack")
"""Of torch's, the best first: x86 takes oneDNN's convolutions on a CPU with VNNI; ARM has qnnpack."""

_LINEAR_TO_FLOAT = ("x86", "fbgemm")
"""Those with a Linear that quantises float32 by a given scale and gives float32."""


def is_static(network: nn.Module) -> bool:
    """Whether a network is statically quantised."""
    return any(isinstance(module, QuantizeEdge) for module in network.modules())


def choose_engine() -> str:
    """The best of torch's engines for int8 that there is on this CPU.

    Raises:
        MachineError: ``int8_missing``: this torch was built without any.
    """
    for engine in _ENGINES:
        if engine in torch.backends.quantized.supported_engines:
            return engine
    raise MachineError(
        "int8_missing",
        f"torch {torch.__version__} has no engine for int8 on this CPU: none of {', '.join(_ENGINES)}",
        "Use the runtime onnxruntime",
    )


def lower_static(network: fx.GraphModule, engine: str | None = None) -> fx.GraphModule:
    """A copy of a statically quantised network; images float32 in, logits float32 out.

    torch has one engine for the whole process, and some kernels ask for it when they run: it is set here.

    Args:
        network: as `steps.quantize_static` leaves it.
        engine: of torch's; None: the best.

    Raises:
        MachineError: as `choose_engine`.
    """
    engine = engine or choose_engine()
    torch.backends.quantized.engine = engine
    return _Lowering(copy.deepcopy(network).eval(), engine).run()


def quantized_weight(layer: Int8Weight) -> Tensor:
    """The weight as torch's kernels take it, qint8 with the scales of the layer."""
    zeros = torch.zeros(len(layer.scale), dtype=torch.int64)
    return torch._make_per_channel_quantized_tensor(layer.weight, layer.scale, zeros, axis=0)


def dynamic_linear(layer: Int8Weight) -> dynamic.Linear:
    """A Linear that quantises its activations per batch.

    torch keeps activations to 7 bits on x86 (reduce_range), so that sums of products cannot overflow 16 bits.
    """
    out_features, in_features = layer.weight.shape
    lowered = dynamic.Linear(in_features, out_features, bias_=layer.bias is not None)
    lowered.set_weight_bias(quantized_weight(layer), layer.bias)
    return lowered


class _Kernel(NamedTuple):
    """What one kernel computes together with the edge behind it."""

    operation: fx.Node
    relu: fx.Node | None


class _Lowering:
    """Writes the new graph node by node; a value of the old one is there in float32, in bytes, or both."""

    def __init__(self, network: fx.GraphModule, engine: str) -> None:
        self.network = network
        self.engine = engine
        self.graph: fx.Graph = fx.Graph()
        self.floats: dict[fx.Node, fx.Node] = {}
        self.bytes: dict[fx.Node, fx.Node] = {}
        self.edge_of: dict[fx.Node, fx.Node] = {}  # of a value that can be had in bytes: whose scale it has
        self.kernels: dict[fx.Node, _Kernel] = {}  # by edge

    def run(self) -> fx.GraphModule:
        """Find the kernels, then write."""
        for node in self.network.graph.nodes:
            self._find(node)
        within = {node for kernel in self.kernels.values() for node in kernel}
        for node in self.network.graph.nodes:
            if node not in within:
                self._write(node)
        lowered: fx.GraphModule = fx.GraphModule(self.network, self.graph)
        return lowered.eval()

    def _find(self, node: fx.Node) -> None:
        if isinstance(self._module(node), QuantizeEdge):
            self.edge_of[node] = node
            (value,) = node.all_input_nodes
            relu = value if is_relu(value, self.network) and list(value.users) == [node] else None
            operation = relu.all_input_nodes[0] if relu else value
            computes = isinstance(self._module(operation), Int8Conv2d | StaticInt8Linear) or is_addition(
                operation
            )
            alone = list(operation.users) == [relu or node]
            if computes and alone and all(operand in self.edge_of for operand in operation.all_input_nodes):
                self.kernels[node] = _Kernel(operation, relu)
        elif keeps_bytes(node, self.network) and node.all_input_nodes[0] in self.edge_of:
            self.edge_of[node] = self.edge_of[node.all_input_nodes[0]]

    def _write(self, node: fx.Node) -> None:
        module = self._module(node)
        if node in self.kernels:
            self.bytes[node] = self._kernel(node, self.kernels[node])
        elif node in self.edge_of:
            if not isinstance(module, QuantizeEdge):
                self.bytes[node] = self.graph.node_copy(node, self._bytes)
        elif isinstance(module, StaticInt8Linear) and node.all_input_nodes[0] in self.edge_of:
            self.floats[node] = self._linear_to_float(node, module)
        else:
            self.floats[node] = self.graph.node_copy(node, self._float)

    def _float(self, node: fx.Node) -> fx.Node:
        if node not in self.floats:
            self.floats[node] = self.graph.call_method("dequantize", (self._bytes(node),))
        return self.floats[node]

    def _bytes(self, node: fx.Node) -> fx.Node:
        if node not in self.bytes:
            value = self._float(node.all_input_nodes[0])
            arguments = (value, *self._scale(node), torch.quint8)
            self.bytes[node] = self.graph.call_function(torch.quantize_per_tensor, arguments)
        return self.bytes[node]

    def _kernel(self, edge: fx.Node, kernel: _Kernel) -> fx.Node:
        operation, relu = kernel
        layer = self._module(operation)
        operands = tuple(map(self._bytes, operation.args))  # type: ignore[arg-type] # nodes, as found
        if isinstance(layer, Int8Conv2d):
            lowered = _conv2d(layer, relu is not None)
        elif isinstance(layer, StaticInt8Linear):
            lowered = _linear(layer, with_relu.LinearReLU if relu else Linear)
        else:
            add = torch.ops.quantized.add_relu if relu else torch.ops.quantized.add
            return self.graph.call_function(add, (*operands, *self._scale(edge)))
        lowered.scale, lowered.zero_point = self._scale(edge)
        return self._call(edge, lowered, operands)

    def _linear_to_float(self, node: fx.Node, layer: StaticInt8Linear) -> fx.Node:
        """A Linear whose result is no byte: logits keep the bits that they have."""
        value = node.all_input_nodes[0]
        edge = self.edge_of[value]
        if self.engine not in _LINEAR_TO_FLOAT:
            return self._call(node, dynamic_linear(layer), (self._float(value),))
        lowered = _linear(layer, _LinearToFloat)
        lowered.scale, lowered.zero_point = self._scale(edge)
        # The kernel quantises by itself; where nothing else has done so, it gets what there was before.
        exact = value is edge and value not in self.kernels
        return self._call(node, lowered, (self._float(edge.all_input_nodes[0] if exact else value),))

    def _scale(self, value: fx.Node) -> tuple[float, int]:
        edge = self._module(self.edge_of[value])
        assert isinstance(edge, QuantizeEdge)
        return edge.scale.item(), int(edge.zero_point)

    def _call(self, node: fx.Node, module: nn.Module, operands: tuple[fx.Node, ...]) -> fx.Node:
        path = f"int8.{node.name}"
        self.network.add_submodule(path, module)
        return self.graph.call_module(path, operands)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return module_of(node, self.network)


class _LinearToFloat(Linear):
    """Quantises float32 by its scale and zero point, multiplies in int8, gives float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        compute: Any = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        found: Tensor = compute(inputs, self.scale, self.zero_point, self._packed_params._packed_params)
        return found


def _conv2d(layer: Int8Conv2d, relu: bool) -> Conv2d:
    lowered = (with_relu.ConvReLU2d if relu else Conv2d)(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        bias=layer.bias is not None,
    )
    lowered.set_weight_bias(quantized_weight(layer), layer.bias)
    return lowered


def _linear(layer: StaticInt8Linear, kind: type[Linear]) -> Linear:
    lowered = kind(layer.in_features, layer.out_features, bias_=layer.bias is not None)
    lowered.set_weight_bias(quantized_weight(layer), layer.bias)
    return lowered
