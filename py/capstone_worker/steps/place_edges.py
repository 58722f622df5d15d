"""Where in a float network values become bytes: in front of the layers that are quantised, and behind."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial

from torch import fx, nn

from ..runtimes.int8_operations import is_addition, keeps_bytes, module_of, relu_behind


def layers_to_quantize(network: fx.GraphModule) -> dict[str, nn.Conv2d | nn.Linear]:
    """The layers that have int8 kernels, by name, as far as the graph calls them.

    Not an attention's output projection, whose weight torch's attention reads itself; nor a convolution that
    pads with anything but zeros.
    """
    found: dict[str, nn.Conv2d | nn.Linear] = {}
    for node in network.graph.nodes:
        module = module_of(node, network)
        if type(module) is nn.Linear or (
            type(module) is nn.Conv2d
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            found[str(node.target)] = module
    return found


def place_edges(network: fx.GraphModule, make_edge: Callable[[], nn.Module]) -> dict[str, nn.Module]:
    """Put edges into the graph, in place; by name, in the order of the graph.

    In front of each layer that is quantised, where its input is not in bytes already; behind each convolution
    and its ReLU, and behind an addition of two values in bytes and its ReLU: torch's kernels for these give
    bytes. Behind a Linear only where nothing but layers that are quantised reads it: its kernel can give
    float32 too, and logits, or what a normalisation reads, are better for it.

    Args:
        network: without batch norms that could be folded; no operation of it is left in place.
        make_edge: makes the module for one place, which gives what it gets.
    """
    _out_of_place(network)
    layers = layers_to_quantize(network)
    room = "edges"
    while hasattr(network, room):
        room += "_"
    edges: dict[str, nn.Module] = {}
    in_bytes: set[fx.Node] = set()
    before_layers: dict[fx.Node, fx.Node] = {}  # by the float value that layers read

    def edge_behind(value: fx.Node) -> fx.Node:
        name = f"{room}.{value.name.lstrip('_')}"  # a file's modules cannot begin with that
        while name in edges:
            name += "_"
        edges[name] = make_edge()
        network.add_submodule(name, edges[name])
        with network.graph.inserting_after(value):
            edge: fx.Node = network.graph.call_module(name, (value,))
        in_bytes.add(edge)
        return edge

    for node in list(network.graph.nodes):
        layer = layers.get(node.target) if node.op == "call_module" else None
        if layer is not None:
            (value,) = node.all_input_nodes
            if value not in in_bytes:
                if value not in before_layers:
                    before_layers[value] = edge_behind(value)
                node.replace_input_with(value, before_layers[value])
        elif keeps_bytes(node, network) and node.all_input_nodes[0] in in_bytes:
            in_bytes.add(node)
            continue
        elif not (is_addition(node) and in_bytes.issuperset(node.args)):
            continue
        last = relu_behind(node, network) or node
        if isinstance(layer, nn.Linear) and not all(
            _wants_bytes(user, network, layers) for user in last.users
        ):
            continue
        edge = edge_behind(last)
        last.replace_all_uses_with(edge, delete_user_cb=partial(operator.is_not, edge))
    network.recompile()
    return edges


def _wants_bytes(user: fx.Node, network: fx.GraphModule, layers: dict[str, nn.Conv2d | nn.Linear]) -> bool:
    """Whether it is a layer that is quantised, or hands bytes on to such layers alone."""
    if user.op == "call_module" and user.target in layers:
        return True
    return (
        keeps_bytes(user, network)
        and bool(user.users)
        and all(_wants_bytes(further, network, layers) for further in user.users)
    )


def _out_of_place(network: fx.GraphModule) -> None:
    """Let no operation write over its input, so that the graph says which value a reader gets.

    What read the input after it was written over reads the result instead.
    """
    order = {node: index for index, node in enumerate(network.graph.nodes)}
    for node in network.graph.nodes:
        module = module_of(node, network)
        if module is not None and getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment] # a flag, which nn.Module does not declare
        elif node.op == "call_function" and node.target is operator.iadd:
            node.target = operator.add
        elif node.op == "call_function" and node.kwargs.get("inplace", False):
            node.kwargs = {**node.kwargs, "inplace": False}
        else:
            continue
        node.args[0].replace_all_uses_with(
            node, delete_user_cb=lambda user, written=order[node]: order[user] > written
        )
