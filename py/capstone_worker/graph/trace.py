"""A network's forward, recorded as a graph of modules and functions."""

from __future__ import annotations

from torch import fx, nn

from .allowlist import MODULES

_ALLOWED = {kind.make for kind in MODULES}


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _ALLOWED or super().is_leaf_module(m, module_qualified_name)


def trace(module: nn.Module) -> fx.GraphModule:
    """The graph of `module`'s forward; it shares the module's parameters and keeps their names."""
    network: fx.GraphModule = fx.GraphModule(module, _Tracer().trace(module))
    return network
