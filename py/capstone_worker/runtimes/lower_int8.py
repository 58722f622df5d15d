"""A statically quantised network as torch executes it: on bytes, by its own quantised kernels.

What the graph says with edges (`QuantizeEdge`) becomes kernels that read and write quint8: a convolution or
Linear with its ReLU and the edge behind it, an addition with these, and everything that keeps bytes as they
are. Whatever has no such kernel gets float32 and gives float32, so that any graph can be lowered.

A kernel adds up exactly and rounds once, the reference rounds sums of float32 as well: where a sum lies close
to the border between two bytes, they may differ by one.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.ao.nn.intrinsic import quantized as with_relu
from torch.ao.nn.quantized import Conv2d, Linear, dynamic

from ..errors import MachineError
from ..models import Int8Conv2d, Int8Linear, Int8Weight, QuantizeEdge, StaticInt8Linear
from .int8_operations import edges_of_values, is_addition, is_relu, module_of

_ENGINES = ("x86", "fbgemm", "qnnpack")
"""Of torch's, the best first: x86 takes oneDNN's convolutions on a CPU with VNNI; ARM has qnnpack."""

_LINEAR_TO_FLOAT = ("x86", "fbgemm")
"""Those with a Linear that quantises float32 by a given scale and gives float32."""

_KERNELS: Any = torch.ops.quantized  # type: ignore[attr-defined] # torch has no stub for its operators


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


def dynamic_linear(layer: Int8Linear) -> dynamic.Linear:
    """The layer as torch executes it: int8 weights, activations quantised per batch.

    torch keeps activations to 7 bits on x86 (reduce_range), so that sums of products cannot overflow 16 bits.
    """
    return _linear(layer, dynamic.Linear)


_AnyLinear = TypeVar("_AnyLinear", bound=Linear)


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
        self.edge_of = edges_of_values(network)
        self.kernels: dict[fx.Node, _Kernel] = {}  # by edge

    def run(self) -> fx.GraphModule:
        """Find the kernels, then write."""
        for node in self.network.graph.nodes:
            if isinstance(self._module(node), QuantizeEdge):
                self._find(node)
        within = {node for kernel in self.kernels.values() for node in kernel}
        for node in self.network.graph.nodes:
            if node not in within:
                self._write(node)
        lowered: fx.GraphModule = fx.GraphModule(self.network, self.graph)
        return lowered.eval()

    def _find(self, edge: fx.Node) -> None:
        (value,) = edge.all_input_nodes
        relu = value if is_relu(value, self.network) and list(value.users) == [edge] else None
        operation = relu.all_input_nodes[0] if relu else value
        has_kernel = isinstance(self._module(operation), Int8Conv2d | StaticInt8Linear) or is_addition(
            operation
        )
        alone = list(operation.users) == [relu or edge]
        if has_kernel and alone and all(operand in self.edge_of for operand in operation.all_input_nodes):
            self.kernels[edge] = _Kernel(operation, relu)

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
            lowered: Conv2d | Linear = _conv2d(layer, relu is not None)
        elif isinstance(layer, StaticInt8Linear):
            lowered = _linear(layer, with_relu.LinearReLU if relu else Linear)
        else:
            add = _KERNELS.add_relu if relu else _KERNELS.add
            added: fx.Node = self.graph.call_function(add, (*operands, *self._scale(edge)))
            return added
        lowered.scale, lowered.zero_point = self._scale(edge)
        return self._call(edge, lowered, operands)

    def _linear_to_float(self, node: fx.Node, layer: StaticInt8Linear) -> fx.Node:
        """A Linear whose result is no byte: logits keep the bits that they have."""
        value = node.all_input_nodes[0]
        edge = self.edge_of[value]
        if self.engine not in _LINEAR_TO_FLOAT:
            return self._call(node, _linear(layer, _DynamicLinear), (self._float(value),))
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
        call: fx.Node = self.graph.call_module(path, operands)
        return call

    def _module(self, node: fx.Node) -> nn.Module | None:
        return module_of(node, self.network)


class _LinearToFloat(Linear):
    """Quantises float32 by its scale and zero point, multiplies in int8, gives float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        packed = self._packed_params._packed_params
        found: Tensor = _KERNELS.linear_with_input_q_dq_qweight_dq_output_fp32(
            inputs, self.scale, self.zero_point, packed
        )
        return found


class _DynamicLinear(dynamic.Linear):
    """Quantises float32 per batch to 8 bits, multiplies in int8, gives float32.

    torch's own asks qnnpack for 7, which it does not do and warns of.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        found: Tensor = _KERNELS.linear_dynamic(
            inputs, self._packed_params._packed_params, reduce_range=False
        )
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
    lowered.set_weight_bias(_quantized(layer), layer.bias)
    return lowered


def _linear(layer: Int8Linear | StaticInt8Linear, kind: type[_AnyLinear]) -> _AnyLinear:
    lowered = kind(layer.in_features, layer.out_features, layer.bias is not None)
    lowered.set_weight_bias(_quantized(layer), layer.bias)
    return lowered


def _quantized(layer: Int8Weight) -> Tensor:
    """The weight as torch's kernels take it: qint8 with a scale for each output channel."""
    zeros = torch.zeros(len(layer.scale), dtype=torch.int64)
    return torch._make_per_channel_quantized_tensor(layer.weight, layer.scale, zeros, axis=0)
