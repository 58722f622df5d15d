"""A network's forward, recorded as a graph of modules and functions."""

from __future__ import annotations

import operator

import torch
from torch import fx, nn

from .allowlist import MODULES

_ALLOWED = {kind.make for kind in MODULES}
_READING = {getattr, operator.getitem, operator.eq, "dim"}
"""What changes nothing: a call of it whose result nobody uses is left out."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _ALLOWED or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module) -> fx.GraphModule:
    """The graph of `module`'s forward; it shares the module's parameters and keeps their names.

    A product is written as torch's, which takes no numbers and no tuples on both sides (see FUNCTIONS).
    Assertions are left out, and what only they or nobody reads: their messages are text, which no model file
    may hold, and a file's graph is run on its image size before it is used.
    """
    graph = _Tracer().trace(module)
    for node in reversed(graph.nodes):
        if node.target is torch._assert or (node.target in _READING and not node.users):
            graph.erase_node(node)
        elif node.target is operator.mul:
            node.target = torch.mul
            node.args = tuple(sorted(node.args, key=lambda factor: not isinstance(factor, fx.Node)))
    network: fx.GraphModule = fx.GraphModule(module, graph)
    return network
