"""A traced network to JSON and back.

The JSON, version 1, says what the network computes and nothing of its weights:

    {"version": 1,
     "parameters": {"class_token": [1, 1, 768]},
     "modules": {"layer1.0.conv1": {"type": "Conv2d", "in_channels": 64, ...}, ...},
     "nodes": [{"name": "x", "op": "placeholder"},
               {"name": "conv1", "op": "call_module", "target": "conv1", "args": [{"node": "x"}]},
               {"name": "flatten", "op": "call_function", "target": "torch.flatten",
                "args": [{"node": "avgpool"}, 1], "kwargs": {}},
               {"name": "permute", "op": "call_method", "target": "permute",
                "args": [{"node": "flatten"}, 0, 2, 1], "kwargs": {}},
               {"name": "class_token", "op": "get_attr", "target": "class_token"},
               {"name": "output", "op": "output", "args": [{"node": "fc"}]}]}

`parameters`, the float32 parameters that nodes read themselves, stands there where there are any; so do the
`kwargs` of a module's call.

torch.fx makes Python source from a graph and executes it, so every name that reaches it is checked here:
node names and keywords are identifiers that fx keeps as they are, paths of modules and parameters are words
and numbers (with dashes too, as in RegNet's `block1-0`: fx quotes what is no identifier), targets are looked
up in the allowlist, and the other arguments are numbers, true, false, null or lists of nodes.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from ..errors import UserError
from .allowlist import FUNCTIONS, METHODS, MODULES, SIZES, ModuleKind

VERSION = 1

_WORD = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,15}")
_MAX_NODES = 20_000
_NODE_KEYS = {
    "placeholder": {"name", "op"},
    "get_attr": {"name", "op", "target"},
    "call_module": {"name", "op", "target", "args"},
    "call_function": {"name", "op", "target", "args", "kwargs"},
    "call_method": {"name", "op", "target", "args", "kwargs"},
    "output": {"name", "op", "args"},
}
_TAKEN = set(dir(fx.GraphModule(nn.Module(), fx.Graph())))  # names a module of the network cannot have
_FUNCTION_NAMES = {function: name for name, function in FUNCTIONS.items()}


def to_json(net: fx.GraphModule) -> dict[str, Any]:
    """The network's graph as JSON; the same graph gives the same JSON.

    Raises:
        UserError: ``graph_not_allowed``, a node or module that no file may hold; the message names it.
    """
    modules: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    nodes = []
    for node in net.graph.nodes:
        entry: dict[str, Any] = {"name": node.name, "op": node.op}
        if node.op == "call_module":
            entry["target"] = node.target
            modules[node.target] = _describe(node, net.get_submodule(node.target))
        elif node.op == "get_attr":
            entry["target"] = node.target
            parameters[node.target] = _shape(node, net)
        elif node.op == "call_function":
            if node.target not in _FUNCTION_NAMES:
                raise _not_allowed(node, f"the function {getattr(node.target, '__name__', node.target)}")
            entry["target"] = _FUNCTION_NAMES[node.target]
        elif node.op == "call_method":
            if node.target not in METHODS:
                raise _not_allowed(node, f"the method {node.target}")
            entry["target"] = node.target
        if node.op == "placeholder" and node.args:
            raise _not_allowed(node, "an input with a default")
        if "args" in _NODE_KEYS[node.op]:
            entry["args"] = [_encode(node, value) for value in node.args]
        if "kwargs" in _NODE_KEYS[node.op] or node.kwargs:
            entry["kwargs"] = {key: _encode(node, value) for key, value in node.kwargs.items()}
        nodes.append(entry)
    of_nodes = {"parameters": parameters} if parameters else {}
    return {"version": VERSION, **of_nodes, "modules": modules, "nodes": nodes}


def from_json(data: object) -> fx.GraphModule:
    """The network of `to_json`, its tensors on the meta device: shapes and dtypes without values.

    Raises:
        UserError: ``graph_invalid`` or ``graph_not_allowed``; the message says where in the graph.
    """
    _keys("top", data, {"version", "modules", "nodes"}, optional="parameters")
    assert isinstance(data, dict)
    if data["version"] != VERSION:
        raise _invalid(
            "version", f"expected {VERSION}, found {data['version']!r}; this file needs a newer capstone"
        )
    parameters = data.get("parameters", {})
    if not isinstance(parameters, dict):
        raise _invalid("top", "parameters is no object")
    if not isinstance(data["modules"], dict) or not isinstance(data["nodes"], list):
        raise _invalid("top", "modules is no object or nodes is no list")
    if len(data["nodes"]) > _MAX_NODES:
        raise _invalid("nodes", f"expected at most {_MAX_NODES}, found {len(data['nodes'])}")
    root = nn.Module()
    for path, config in data["modules"].items():
        _attach(root, f"modules.{path}", path, _make(f"modules.{path}", config))
    for path, shape in parameters.items():
        _attach(root, f"parameters.{path}", path, _parameter(f"parameters.{path}", shape))
    graph = _graph(data["nodes"], {"call_module": data["modules"], "get_attr": parameters})
    network: fx.GraphModule = fx.GraphModule(root, graph)
    return network


def _describe(node: fx.Node, module: nn.Module) -> dict[str, Any]:
    kind = next((kind for kind in MODULES if kind.make is type(module)), None)
    if kind is None:
        raise _not_allowed(node, f"the module {type(module).__name__}")
    config: dict[str, Any] = {"type": kind.type, **kind.constants}
    for name, field in kind.fields.items():
        value = field.of(module, name)
        if not field.holds(value):
            raise _not_allowed(node, f"{kind.type} with {name} {value!r} (expected {field.expected})")
        config[name] = list(value) if isinstance(value, tuple) else value
    return config


def _shape(node: fx.Node, net: fx.GraphModule) -> list[int]:
    owner, _, name = str(node.target).rpartition(".")
    tensor = getattr(net.get_submodule(owner), name)
    if not isinstance(tensor, nn.Parameter) or tensor.dtype != torch.float32:
        raise _not_allowed(node, f"{node.target}, no parameter of float32,")
    return list(tensor.shape)


def _parameter(where: str, shape: object) -> nn.Parameter:
    sizes = tuple(shape) if isinstance(shape, list) else shape
    if not SIZES.holds(sizes):
        raise _invalid(where, f"expected {SIZES.expected}, found {shape!r}")
    try:
        return nn.Parameter(torch.empty(sizes, device="meta"))  # type: ignore[call-overload]
    except RuntimeError:
        raise _invalid(where, "more numbers than memory can hold") from None


def _make(where: str, config: object) -> nn.Module:
    if not isinstance(config, dict):
        raise _invalid(where, "expected an object")
    kind = _kind(where, config)
    _keys(where, config, {"type", *kind.constants, *kind.fields})
    arguments = {}
    for name, field in kind.fields.items():
        value = tuple(config[name]) if isinstance(config[name], list) else config[name]
        if not field.holds(value):
            raise _invalid(f"{where}.{name}", f"expected {field.expected}, found {config[name]!r}")
        arguments[name] = value
    try:
        with torch.device("meta"):
            return kind.make(**arguments)
    except (
        ValueError,
        RuntimeError,
        AssertionError,
    ) as error:  # groups that do not divide, sizes beyond 64 bits
        raise _invalid(where, f"no such {kind.type}: {error}") from None


def _kind(where: str, config: Mapping[str, Any]) -> ModuleKind:
    for kind in MODULES:
        extra = {name: config.get(name) for name in ("weight_dtype", "execution") if name in config}
        if config.get("type") == kind.type and extra == kind.constants:
            return kind
    raise UserError(
        "graph_not_allowed",
        f"the network's graph, {where}: a module {config.get('type')!r} is not allowed in a file",
        "Update capstone if a newer one wrote this file",
    )


def _attach(root: nn.Module, where: str, path: object, part: nn.Module | nn.Parameter) -> None:
    """Put `part` at `path` below `root`, making the plain modules between."""
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise _invalid(where, "expected words or numbers joined by dots")
    words = path.split(".")
    if words[0] in _TAKEN or any(map(keyword.iskeyword, words)):
        raise _invalid(where, "the name is one of torch's or Python's own")
    *parents, last = words
    parent = root
    for name in parents:
        if name not in parent._modules:
            _add(where, parent, name, nn.Module())
        parent = parent.get_submodule(name)
    _add(where, parent, last, part)


def _add(where: str, parent: nn.Module, name: str, part: nn.Module | nn.Parameter) -> None:
    if type(parent) is not nn.Module or hasattr(parent, name):
        raise _invalid(where, "the name is taken")
    if isinstance(part, nn.Module):
        parent.add_module(name, part)
    else:
        parent.register_parameter(name, part)


def _graph(entries: list[object], parts: Mapping[str, Mapping[str, object]]) -> fx.Graph:
    """The graph; `parts` says by a node's op which targets there are: modules, parameters."""
    graph: fx.Graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    used: dict[str, set[object]] = {op: set() for op in _NODE_KEYS}
    for index, entry in enumerate(entries):
        where = f"nodes[{index}]"
        node = _node(graph, where, entry, nodes, parts)
        if (node.op == "placeholder") != (index == 0) or (node.op == "output") != (index == len(entries) - 1):
            raise _invalid(where, "expected one input first, one output last, and calls between")
        nodes[node.name] = node
        used[node.op].add(node.target)
    if not entries or not used["call_module"].issuperset(parts["call_module"]):
        raise _invalid("modules", "a module is used by no node")
    if not used["get_attr"].issuperset(parts["get_attr"]):
        raise _invalid("parameters", "a parameter is used by no node")
    return graph


def _node(
    graph: fx.Graph,
    where: str,
    entry: object,
    nodes: Mapping[str, fx.Node],
    parts: Mapping[str, Mapping[str, object]],
) -> fx.Node:
    op = entry.get("op") if isinstance(entry, dict) else None
    if not isinstance(op, str) or op not in _NODE_KEYS:
        raise _invalid(where, f"expected a node of {', '.join(_NODE_KEYS)}, found {op!r}")
    _keys(where, entry, _NODE_KEYS[op], optional="kwargs" if op == "call_module" else None)
    assert isinstance(entry, dict)
    name, args, kwargs = entry["name"], entry.get("args", []), entry.get("kwargs", {})
    if not _is_word(name):
        raise _invalid(where, f"expected a name, found {name!r}")
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise _invalid(where, "args is no list or kwargs is no object")
    if not all(map(_is_word, kwargs)):
        raise _invalid(where, "a keyword argument has no usable name")
    target: Any = entry.get("target", name)
    if op in parts and not (isinstance(target, str) and target in parts[op]):
        raise _invalid(where, f"there is no {'module' if op == 'call_module' else 'parameter'} {target!r}")
    if op == "call_function":
        if not isinstance(target, str) or target not in FUNCTIONS:
            raise UserError(
                "graph_not_allowed",
                f"the network's graph, {where}: a function {target!r} is not allowed in a file",
                "Update capstone if a newer one wrote this file",
            )
        target = FUNCTIONS[target]
    if op == "call_method":
        if target not in METHODS:
            raise UserError(
                "graph_not_allowed",
                f"the network's graph, {where}: a method {target!r} is not allowed in a file",
                "Update capstone if a newer one wrote this file",
            )
        if not args:
            raise _invalid(where, "a method of nothing")
    if op == "output" and len(args) != 1:
        raise _invalid(where, "expected one output")
    node: fx.Node = graph.create_node(
        op,
        target,
        tuple(_decode(where, value, nodes) for value in args),
        {key: _decode(where, value, nodes) for key, value in kwargs.items()},
        name=name,
    )
    if node.name != name:  # fx renames what is taken or a word of Python's
        raise _invalid(where, f"the name {name!r} is taken")
    return node


def _encode(node: fx.Node, value: object) -> object:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if _is_plain(value):
        return value
    if isinstance(value, list) and all(isinstance(item, fx.Node) for item in value):
        return [_encode(node, item) for item in value]
    raise _not_allowed(node, f"an argument of type {type(value).__name__}")


def _decode(where: str, value: object, nodes: Mapping[str, fx.Node]) -> Any:  # noqa: ANN401 - an argument of fx
    if isinstance(value, dict) and value.keys() == {"node"}:
        if not isinstance(value["node"], str) or value["node"] not in nodes:
            raise _invalid(where, f"there is no node {value['node']!r} before it")
        return nodes[value["node"]]
    if _is_plain(value):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_decode(where, item, nodes) for item in value]
    raise _invalid(where, "expected arguments that are nodes, numbers, true, false, null or lists of nodes")


def _is_word(name: object) -> bool:
    """Whether generated source can have `name` as a variable or a keyword argument."""
    return (
        isinstance(name, str)
        and _WORD.fullmatch(name) is not None
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and name != "self"
    )


def _is_plain(value: object) -> bool:
    return value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value))


def _keys(where: str, value: object, expected: set[str], *, optional: str | None = None) -> None:
    if not isinstance(value, dict) or value.keys() - {optional} != expected - {optional}:
        found = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise _invalid(where, f"expected the keys {sorted(expected)}, found {found}")


def _not_allowed(node: fx.Node, what: str) -> UserError:
    return UserError(
        "graph_not_allowed",
        f"the network's node {node.name}: {what} is not allowed in a model file",
        "Build the network from: "
        + ", ".join([*dict.fromkeys(kind.type for kind in MODULES), *FUNCTIONS, *METHODS]),
    )


def _invalid(where: str, reason: str) -> UserError:
    return UserError(
        "graph_invalid",
        f"the network's graph, {where}: {reason}",
        "The file is damaged or was changed after it was written: make it again",
    )
