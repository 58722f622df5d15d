"""Which calls of a graph torch can compute on bytes (quint8) besides convolutions and Linear layers.

The step that places edges asks this to know where they help; the lowering, to know what it may leave alone.
"""

from __future__ import annotations

import operator
from collections.abc import Container

import torch
from torch import fx, nn
from torch.nn import functional as F

from ..models import QuantizeEdge

_ADDITIONS = {operator.add, operator.iadd, torch.add}
_RELUS = {torch.relu, F.relu, "relu"}
_MOVES = {torch.flatten, "flatten"}


def module_of(node: fx.Node, network: fx.GraphModule) -> nn.Module | None:
    """The module that a node calls; None for another kind of node."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def is_relu(node: fx.Node, network: fx.GraphModule) -> bool:
    """Whether it is a ReLU, as a module, a function or a method."""
    return isinstance(module_of(node, network), nn.ReLU) or _calls(node, _RELUS)


def is_addition(node: fx.Node) -> bool:
    """Whether it adds two values of the graph, and nothing but these."""
    operands = node.args
    return (
        _calls(node, _ADDITIONS)
        and len(operands) == 2
        and all(isinstance(operand, fx.Node) for operand in operands)
        and not node.kwargs
    )


def keeps_bytes(node: fx.Node, network: fx.GraphModule) -> bool:
    """Whether its result, of one value, is made of that value's bytes and the zero point: nothing is rounded.

    A mean does not: torch would round it to the scale of what it is the mean of, so it is left to float32.
    """
    module = module_of(node, network)
    return len(node.all_input_nodes) == 1 and (
        is_relu(node, network)
        or _calls(node, _MOVES)
        or isinstance(module, nn.Dropout | nn.Identity | nn.Flatten)
        or (isinstance(module, nn.MaxPool2d) and not module.ceil_mode and not module.return_indices)
    )


def relu_behind(node: fx.Node, network: fx.GraphModule) -> fx.Node | None:
    """The ReLU that is all that becomes of a value; None where there is none."""
    users = list(node.users)
    return users[0] if len(users) == 1 and is_relu(users[0], network) else None


def edges_of_values(network: fx.GraphModule) -> dict[fx.Node, fx.Node]:
    """Each value of the graph that can be had in bytes, and the edge whose scale it has."""
    found: dict[fx.Node, fx.Node] = {}
    for node in network.graph.nodes:
        if isinstance(module_of(node, network), QuantizeEdge):
            found[node] = node
        elif keeps_bytes(node, network) and node.all_input_nodes[0] in found:
            found[node] = found[node.all_input_nodes[0]]
    return found


def _calls(node: fx.Node, targets: Container[object]) -> bool:
    return node.op in ("call_function", "call_method") and node.target in targets
