"""Functions that stand for modules: a network that says `F.relu(x)` becomes the one that says `nn.ReLU()(x)`.

The allowlist, and every step and runtime above it, knows modules. Only what computes the same is replaced;
the rest stays for the allowlist to refuse by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

Arguments = tuple[Any, ...]

_TAKE_SIZES = ((F, "avg_pool2d"), (torch, "reshape"))


@contextmanager
def sizes_as_numbers() -> Iterator[None]:
    """Lets `F.avg_pool2d(x, x.size()[3])` be recorded: torch 2.2 takes no stand-in for a number there."""
    functions = [(owner, name, getattr(owner, name)) for owner, name in _TAKE_SIZES]
    for owner, name, function in functions:
        setattr(owner, name, _recorded(function))
    try:
        yield
    finally:
        for owner, name, function in functions:
            setattr(owner, name, function)


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as torch's own
        if args and isinstance(args[0], fx.Proxy):
            return args[0].tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return call


def as_modules(network: fx.GraphModule) -> None:
    """Replace such calls in place; the caller recompiles. Parameters and their names stay."""
    for node in list(network.graph.nodes):
        if node.op not in ("call_function", "call_method") or not node.args:
            continue
        if node.target in _MODULES:
            _replace_by_module(network, node)
        elif node.target in _REWRITES:
            _REWRITES[node.target](network, node)


def _replace_by_module(network: fx.GraphModule, node: fx.Node) -> None:
    image, *rest = (_as_tuple(value) for value in node.args)
    keywords = {key: _as_tuple(value) for key, value in node.kwargs.items()}
    try:
        module = _MODULES[node.target](image, *rest, **keywords)
    except TypeError:  # other arguments than a module of that kind takes
        return
    if module is not None:
        _call_module(network, node, image, module)


def _call_module(network: fx.GraphModule, node: fx.Node, image: fx.Node, module: nn.Module) -> None:
    """The module in the place of a node."""
    with network.graph.inserting_before(node):
        called = network.graph.call_module(_add(network, node.name, module), (image,))
    node.replace_all_uses_with(called)
    network.graph.erase_node(node)


def _add(network: fx.GraphModule, name: str, module: nn.Module) -> str:
    """Add the module under a name that nothing has; the name."""
    free = name
    while hasattr(network, free):
        free += "_f"
    network.add_module(free, module.train(network.training))
    return free


def _avg_pool(
    image: fx.Node,
    kernel_size: Any,  # noqa: ANN401 - a number, two, or nodes
    stride: Any = None,  # noqa: ANN401 - likewise
    padding: Any = 0,  # noqa: ANN401 - likewise
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> nn.Module | None:
    if _is_whole_map(kernel_size, image):
        return nn.AdaptiveAvgPool2d(1) if padding == 0 and divisor_override is None else None
    if _has_node((kernel_size, stride, padding)):
        return None
    return nn.AvgPool2d(
        kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad, divisor_override
    )


def _max_pool(
    image: fx.Node,
    kernel_size: Any,  # noqa: ANN401 - a number, two, or nodes
    stride: Any = None,  # noqa: ANN401 - likewise
    padding: Any = 0,  # noqa: ANN401 - likewise
    dilation: Any = 1,  # noqa: ANN401 - likewise
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module | None:
    if return_indices or _has_node((kernel_size, stride, padding, dilation)):
        return None
    return nn.MaxPool2d(kernel_size, stride or kernel_size, padding, dilation, ceil_mode=ceil_mode)


def _adaptive_pool(image: fx.Node, output_size: Any) -> nn.Module | None:  # noqa: ANN401 - a number or two
    return None if _has_node((output_size,)) else nn.AdaptiveAvgPool2d(output_size)


def _dropout(
    image: fx.Node, p: float = 0.5, training: bool = True, inplace: bool = False
) -> nn.Module | None:
    """What is recorded was in evaluation mode; dropout that ignores it is no such module."""
    return None if training else nn.Dropout(p, inplace)


_MODULES: Mapping[Any, Callable[..., nn.Module | None]] = {
    F.relu: lambda image, inplace=False: nn.ReLU(inplace),
    F.relu6: lambda image, inplace=False: nn.ReLU6(inplace),
    F.gelu: lambda image, approximate="none": nn.GELU(approximate),
    F.silu: lambda image, inplace=False: nn.SiLU(inplace),
    F.hardswish: lambda image, inplace=False: nn.Hardswish(inplace),
    F.hardsigmoid: lambda image, inplace=False: nn.Hardsigmoid(inplace),
    F.sigmoid: lambda image: nn.Sigmoid(),
    F.max_pool2d: _max_pool,
    F.avg_pool2d: _avg_pool,
    F.adaptive_avg_pool2d: _adaptive_pool,
    F.dropout: _dropout,
    torch.relu: lambda image: nn.ReLU(),
    torch.sigmoid: lambda image: nn.Sigmoid(),
    torch.max_pool2d: _max_pool,
    "relu": lambda image: nn.ReLU(),
    "sigmoid": lambda image: nn.Sigmoid(),
}
"""By function, or by name where it is a method: (the node that it is given, its arguments) -> the module."""


def _flatten(network: fx.GraphModule, node: fx.Node) -> None:
    """`x.view(x.size(0), -1)`, or reshape, as torch.flatten."""
    image, *shape = node.args
    sizes = _listed(shape)
    if not isinstance(image, fx.Node) or len(sizes) != 2 or sizes[1] != -1 or not _is_batch_size(sizes[0]):
        return
    with network.graph.inserting_before(node):
        flat = network.graph.call_function(torch.flatten, (image, 1))
    node.replace_all_uses_with(flat)
    network.graph.erase_node(node)


def _mean(network: fx.GraphModule, node: fx.Node) -> None:
    """The mean over height and width as a pool."""
    dims = _listed(node.args[1:2] or [node.kwargs.get("dim")])
    keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    known = all(type(dim) is int for dim in dims) and node.kwargs.keys() <= {"dim", "keepdim"}
    image = node.args[0]
    if not isinstance(image, fx.Node) or not known or sorted(dim % 4 for dim in dims) != [2, 3]:
        return
    with network.graph.inserting_before(node):
        pooled = network.graph.call_module(_add(network, node.name, nn.AdaptiveAvgPool2d(1)), (image,))
        mean = pooled if keeps else network.graph.call_function(torch.flatten, (pooled, 1))
    node.replace_all_uses_with(mean)
    network.graph.erase_node(node)


def _add_tensors(network: fx.GraphModule, node: fx.Node) -> None:
    if len(node.args) == 2 and not node.kwargs:
        node.op, node.target = "call_function", operator.add


def _every_other(network: fx.GraphModule, node: fx.Node) -> None:
    """`x[:, :, ::2, ::2]` as a pool of single pixels."""
    image, index = node.args
    if not isinstance(image, fx.Node) or not isinstance(index, tuple) or len(index) != 4:
        return
    if index[:2] != (slice(None), slice(None)) or not all(isinstance(part, slice) for part in index[2:]):
        return
    steps = tuple(part.step for part in index[2:])
    if any((part.start, part.stop) != (None, None) for part in index[2:]):
        return
    if all(type(step) is int and step > 0 for step in steps):
        _call_module(network, node, image, nn.AvgPool2d(1, steps))


def _pad_channels(network: fx.GraphModule, node: fx.Node) -> None:
    """Channels of zeros before and behind (the shortcut A of He et al. 2015) as a concatenation."""
    named = dict(zip(("input", "pad", "mode", "value"), node.args, strict=False)) | node.kwargs
    image, pad = named["input"], tuple(_listed([named.get("pad")]))
    if not isinstance(image, fx.Node):
        return
    if named.get("mode", "constant") != "constant" or named.get("value", 0) not in (0, None):
        return
    if len(pad) != 6 or any(type(count) is not int for count in pad) or any(pad[:4]) or min(pad[4:]) < 0:
        return
    with network.graph.inserting_before(node):
        before, behind = (_zeros(network, image, count) for count in pad[4:])
        whole = network.graph.call_function(torch.cat, ([*before, image, *behind], 1))
    node.replace_all_uses_with(whole)
    network.graph.erase_node(node)


def _zeros(network: fx.GraphModule, image: fx.Node, count: int) -> list[fx.Node]:
    """So many channels of the image, times zero; too many are found out when the graph is run."""
    if count == 0:
        return []
    some = network.graph.call_function(torch.narrow, (image, 1, 0, count))
    return [network.graph.call_function(torch.mul, (some, 0.0))]


_REWRITES: Mapping[Any, Callable[[fx.GraphModule, fx.Node], None]] = {
    "view": _flatten,
    "reshape": _flatten,
    torch.reshape: _flatten,
    "mean": _mean,
    torch.mean: _mean,
    "add": _add_tensors,
    torch.add: _add_tensors,
    operator.getitem: _every_other,
    F.pad: _pad_channels,
}


def _size(value: object) -> tuple[fx.Node, Any] | None:
    """(x, index) of `x.size(index)`, `x.size()[index]` and `x.shape[index]`."""
    if not isinstance(value, fx.Node):
        return None
    if value.op == "call_method" and value.target == "size" and len(value.args) == 2:
        return value.args[0], value.args[1]
    if value.target is not operator.getitem:
        return None
    sizes, index = value.args
    if not isinstance(sizes, fx.Node) or not (
        sizes.target == "size" or (sizes.target is getattr and sizes.args[1] == "shape")
    ):
        return None
    return sizes.args[0], index


def _is_batch_size(value: object) -> bool:
    size = _size(value)
    return size is not None and size[1] == 0


def _is_whole_map(kernel_size: object, image: fx.Node) -> bool:
    """Whether a kernel is as large as the image: square ones alone, so one side says it."""
    sides = [_size(side) for side in (kernel_size if isinstance(kernel_size, tuple) else (kernel_size,))]
    if not all(side is not None and side[0] is image for side in sides):
        return False
    indices = [side[1] for side in sides if side is not None]
    if len(indices) == 1:
        return indices[0] in (2, 3, -1, -2) or indices[0] in (slice(2, None, None), slice(-2, None, None))
    return [index % 4 for index in indices if type(index) is int] == [2, 3]


def _as_tuple(value: Any) -> Any:  # noqa: ANN401 - an argument of fx
    return tuple(value) if isinstance(value, list | tuple) else value


def _listed(values: Any) -> list[Any]:  # noqa: ANN401 - arguments of fx
    """Sizes one by one or in one list."""
    only = values[0] if len(values) == 1 else None
    return list(only) if isinstance(only, list | tuple) else list(values)


def _has_node(values: Arguments) -> bool:
    return any(
        isinstance(part, fx.Node)
        for value in values
        for part in (value if isinstance(value, tuple) else (value,))
    )
