"""Float layers behind edges become int8 layers."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from ..models import Int8Conv2d, QuantizeEdge, StaticInt8Linear
from ..runtimes.int8_operations import edges_of_values
from .place_edges import layers_to_quantize
from .quantize_dynamic import quantize_rows

_LARGEST_BIAS = 2**30
"""In steps of its layer's sums: kernels add it up in 32 bits."""


def with_int8_layers(network: fx.GraphModule, weight_bits: int) -> fx.GraphModule:
    """The network with int8 layers for its Conv2d and Linear, in evaluation mode.

    A channel with weights that are next to nothing beside its bias, as one has that training gave up, gets so
    large a scale that the bias fits into 32 bits: engines would cut it off otherwise. Its weights become 0.

    Args:
        network: with a `QuantizeEdge` in front of each of these layers (`place_edges`); is changed.
        weight_bits: of the integers, 2 to 8.
    """
    layers = layers_to_quantize(network)
    edge_of = edges_of_values(network)
    scales: dict[str, Tensor] = {}  # the smallest of a layer's inputs: one may be called in several places
    for node in network.graph.nodes:
        if node.op == "call_module" and node.target in layers:
            edge = network.get_submodule(str(edge_of[node.all_input_nodes[0]].target))
            assert isinstance(edge, QuantizeEdge)
            scales[node.target] = torch.minimum(scales.get(node.target, edge.scale), edge.scale)
    for name, layer in layers.items():
        network.add_submodule(name, _int8(layer, scales[name], weight_bits))
    # Made anew, so that modules stand in the order of the graph, as in a network out of a file.
    ordered: fx.GraphModule = fx.GraphModule(network, network.graph)
    return ordered.eval()


def _int8(layer: nn.Conv2d | nn.Linear, input_scale: Tensor, bits: int) -> Int8Conv2d | StaticInt8Linear:
    has_bias = layer.bias is not None
    made: Int8Conv2d | StaticInt8Linear
    if isinstance(layer, nn.Linear):
        made = StaticInt8Linear(layer.in_features, layer.out_features, bias=has_bias)
    else:
        made = Int8Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type] # a pair, though torch says any tuple
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.dilation,  # type: ignore[arg-type]
            layer.groups,
            bias=has_bias,
        )
    least_scale = None
    if layer.bias is not None:
        made.bias = layer.bias.detach().clone()
        least_scale = made.bias.abs() / (input_scale * _LARGEST_BIAS)
    rows, made.scale = quantize_rows(layer.weight.detach().flatten(1), bits, least_scale)
    made.weight = rows.view(layer.weight.shape)
    return made
