"""A network's forward, recorded as a graph of modules and functions."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from ..errors import UserError
from .allowlist import MODULES
from .functional import as_modules, sizes_as_numbers

_ALLOWED = {kind.make for kind in MODULES}
_READING = {getattr, operator.getitem, operator.eq, "dim", "size"}
"""What changes nothing: a call of it whose result nobody uses is left out."""


class _Tracer(fx.Tracer):
    failed_in: str | None = None
    """Name and type of the innermost module whose forward failed."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _ALLOWED or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - fx's own
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or f"{self.path_of_module(m)} ({type(m).__name__})"
            raise


def trace(module: nn.Module) -> fx.GraphModule:
    """The graph of `module`'s forward; it shares the module's parameters and keeps their names.

    Functions that stand for modules become such, under new names. A product is written as torch's, which
    takes no numbers and no tuples on both sides (see FUNCTIONS). Assertions are left out, and what only they
    or nobody reads: their messages are text, which no model file may hold, and a file's graph is run on its
    image size before it is used.

    Raises:
        UserError: ``graph_not_traceable``; the message names the module.
    """
    tracer = _Tracer()
    try:
        with sizes_as_numbers():
            graph = tracer.trace(module)
    except Exception as error:  # whatever a forward does to what stands for its images
        where = tracer.failed_in or type(module).__name__
        reason = str(error).partition("\n")[0]
        raise UserError(
            "graph_not_traceable",
            f"the forward of {where} cannot be recorded as a graph: {reason}",
            "Let it compute the same for all images: no if, loop or number that depends on their values",
        ) from error
    network: fx.GraphModule = fx.GraphModule(module, graph)
    as_modules(network)
    for node in reversed(network.graph.nodes):
        if node.target is torch._assert or (node.target in _READING and not node.users):
            network.graph.erase_node(node)
        elif node.target is operator.mul:
            node.target = torch.mul
            node.args = tuple(sorted(node.args, key=lambda factor: not isinstance(factor, fx.Node)))
    network.recompile()
    return network
