"""Networks to JSON and back, and the graphs that are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.ops import Permute, StochasticDepth

from ..errors import UserError
from .channel_shuffle import ChannelShuffle
from .codec import from_json, to_json
from .int8_linear import Int8Linear
from .trace import trace

DAMAGED = "The file is damaged or was changed after it was written: make it again"


class Small(nn.Module):
    """One of each way to say something: pairs, a missing bias, a keyword, int8, a module used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (3, 1), padding=(1, 0), bias=False)
        self.block = nn.Sequential(nn.BatchNorm2d(4, affine=False), nn.ReLU(inplace=True), nn.Dropout(0.1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = Int8Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(self.conv(x))
        y = self.block(y) + y
        logits: Tensor = self.head(torch.flatten(self.pool(y), start_dim=1))
        return logits


class Attention(nn.Module):
    """Parameters of its own, lists, methods, keywords of a module, an assertion about shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.part = nn.Module()
        self.part.bias = nn.Parameter(torch.randn(2))
        self.part.norm = nn.LayerNorm(8, bias=False)
        self.attention = nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
        self.act = nn.GELU("tanh")
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.dim() == 4, f"expected images, got {x.shape}")
        patches = torch.flatten(x, 2).permute(0, 2, 1)
        x = torch.cat([self.token.expand(patches.size(0), -1, -1), self.part.norm(patches)], dim=1)
        x, _ = self.attention(x, x, x, need_weights=False)
        logits: Tensor = self.head(torch.select(self.act(x), 1, 0)) + self.part.bias
        return logits


def rebuilt(module: nn.Module) -> nn.Module:
    network = from_json(json.loads(json.dumps(to_json(trace(module)))))
    network.to_empty(device="cpu").load_state_dict(module.state_dict())
    return network.train(module.training)


@pytest.mark.parametrize("make", [Small, torchvision.models.resnet18])
def test_round_trip(make: Callable[[], nn.Module]) -> None:
    module = make().eval()
    network = rebuilt(module)
    for batch in (2, 5):
        images = torch.randn(batch, 3, 32, 32)
        assert torch.equal(network(images), module(images))
    assert list(network.state_dict()) == list(module.state_dict())
    assert to_json(trace(network)) == to_json(trace(module))


def test_attention() -> None:
    module = Attention().eval()
    network = rebuilt(module)
    for batch in (2, 5):
        images = torch.randn(batch, 8, 3, 3)
        assert torch.equal(network(images), module(images))
    assert list(network.state_dict()) == list(module.state_dict())
    assert [name for name, _ in network.named_parameters()] == [name for name, _ in module.named_parameters()]
    graph = to_json(trace(module))
    assert graph["parameters"] == {"token": [1, 1, 8], "part.bias": [2]}
    assert graph["modules"]["attention"] == {
        "type": "MultiheadAttention",
        "embed_dim": 8,
        "num_heads": 2,
        "dropout": 0.0,
        "bias": False,
        "add_bias_kv": False,
        "add_zero_attn": False,
        "kdim": None,
        "vdim": None,
        "batch_first": True,
    }
    assert [node for node in graph["nodes"] if node["op"] != "call_module"] == [
        {"name": "x", "op": "placeholder"},
        call("flatten", "torch.flatten", {"node": "x"}, 2),
        call("permute", "permute", {"node": "flatten"}, 0, 2, 1),
        {"name": "token", "op": "get_attr", "target": "token"},
        call("size", "size", {"node": "permute"}, 0),
        call("expand", "expand", {"node": "token"}, {"node": "size"}, -1, -1),
        call("cat", "torch.cat", [{"node": "expand"}, {"node": "part_norm"}], dim=1),
        call("getitem", "operator.getitem", {"node": "attention"}, 0),
        call("select", "torch.select", {"node": "act"}, 1, 0),
        {"name": "part_bias", "op": "get_attr", "target": "part.bias"},
        call("add", "operator.add", {"node": "head"}, {"node": "part_bias"}),
        {"name": "output", "op": "output", "args": [{"node": "add"}]},
    ]
    assert graph["nodes"][8]["kwargs"] == {"need_weights": False}


class Scaled(nn.Module):
    """Products, a path with a dash, a map that is dropped in training, channels last and first again."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.ModuleDict({"block1-0": nn.Conv2d(3, 4, 1)})
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.last, self.first = Permute([0, 2, 3, 1]), Permute([0, 3, 1, 2])
        self.drop = StochasticDepth(1.0, "row")
        self.pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False, divisor_override=3)
        self.shuffle = ChannelShuffle(2)
        self.flat = nn.Flatten(-3)

    def forward(self, x: Tensor) -> Tensor:
        x = 0.5 * self.drop(self.scale * self.first(self.last(self.part["block1-0"](x))))
        flat: Tensor = self.flat(self.shuffle(self.pool(x * 3 + torch.narrow(x, 1, 0, 1))))
        return flat.flatten(1)


def test_products_and_orders() -> None:
    module = Scaled().eval()
    network = rebuilt(module)
    images = torch.randn(3, 3, 5, 5)
    assert torch.equal(network(images), module(images))
    assert list(network.state_dict()) == list(module.state_dict())
    graph = to_json(trace(module))
    assert [node["args"] for node in graph["nodes"] if node.get("target") == "torch.mul"] == [
        [{"node": "scale"}, {"node": "first"}],
        [{"node": "drop"}, 0.5],
        [{"node": "mul_1"}, 3],
    ]
    assert {name: config for name, config in graph["modules"].items() if name not in ("part.block1-0",)} == {
        "last": {"type": "Permute", "dims": [0, 2, 3, 1]},
        "first": {"type": "Permute", "dims": [0, 3, 1, 2]},
        "drop": {"type": "StochasticDepth", "p": 1.0, "mode": "row"},
        "pool": {
            **AVERAGE,
            "ceil_mode": True,
            "count_include_pad": False,
            "divisor_override": 3,
        },
        "shuffle": {"type": "ChannelShuffle", "groups": 2},
        "flat": {"type": "Flatten", "start_dim": -3, "end_dim": -1},
    }
    for trained in (module.train(), network.train()):
        assert (trained(images) == 0).all(), "dropped in training, as before it was saved"


def test_channel_shuffle() -> None:
    """The independent judge is torch's own."""
    images = torch.randn(2, 12, 3, 5)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = images.contiguous(memory_format=layout)
        for groups in (1, 2, 3, 12):
            assert torch.equal(ChannelShuffle(groups)(given), nn.ChannelShuffle(groups)(given))


def call(name: str, target: str, *args: object, **kwargs: object) -> dict[str, Any]:
    op = "call_function" if "." in target else "call_method"
    return {"name": name, "op": op, "target": target, "args": list(args), "kwargs": kwargs}


def test_the_json() -> None:
    graph = to_json(trace(nn.Sequential(nn.Linear(4, 2, bias=False), Int8Linear(2, 1))))
    assert graph == {
        "version": 1,
        "modules": {
            "0": {"type": "Linear", "in_features": 4, "out_features": 2, "bias": False},
            "1": {
                "type": "Linear",
                "weight_dtype": "int8",
                "execution": "dynamic",
                "in_features": 2,
                "out_features": 1,
                "bias": True,
            },
        },
        "nodes": [
            {"name": "input_1", "op": "placeholder"},
            {"name": "_0", "op": "call_module", "target": "0", "args": [{"node": "input_1"}]},
            {"name": "_1", "op": "call_module", "target": "1", "args": [{"node": "_0"}]},
            {"name": "output", "op": "output", "args": [{"node": "_1"}]},
        ],
    }


def test_int8_linear_in_a_state_dict() -> None:
    layer = Int8Linear(3, 2)
    layer.weight = torch.tensor([[1, -2, 3], [127, 0, -127]], dtype=torch.int8)
    layer.scale = torch.tensor([0.5, 0.01])
    layer.bias = torch.tensor([1.0, -1.0])
    state = nn.Sequential(layer).state_dict()
    assert {name: tensor.dtype for name, tensor in state.items()} == {
        "0.weight": torch.int8,
        "0.bias": torch.float32,
        "0.weight.scale": torch.float32,
    }
    other = nn.Sequential(Int8Linear(3, 2))
    other.load_state_dict(state)
    inputs = torch.tensor([[2.0, 1.0, 4.0]])
    assert torch.allclose(other(inputs), torch.tensor([[7.0, -3.54]]))


def refused(act: Callable[[], object]) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        act()
    return caught.value.code, caught.value.message, caught.value.hint


class Unknown(nn.Module):
    def __init__(self, module: nn.Module, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.part = module
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.part(x))


def named(x: Any) -> Any:  # noqa: ANN401 - annotations know no such index
    return x["name"]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Unknown(nn.Identity(), torch.tanh), "node tanh: the function tanh"),
        (Unknown(nn.ELU(), torch.relu), "node part: the module ELU"),
        (Unknown(nn.Identity(), lambda x: x.view(-1)), "node view: the method view"),
        (
            Unknown(nn.Identity(), lambda x: x + torch.ones(1)),
            "node _tensor_constant0: _tensor_constant0, no parameter of float32,",
        ),
        (
            Unknown(nn.Identity(), named),
            "node getitem: an argument of type str",
        ),
        (Unknown(nn.Identity(), lambda x: x[:, 0]), "node getitem: an argument of type tuple"),
        (
            Unknown(nn.MultiheadAttention(4, 2, add_zero_attn=True), lambda x: x),
            "node part: MultiheadAttention with add_zero_attn True (expected false)",
        ),
        (
            Unknown(nn.MultiheadAttention(4, 2, kdim=3), lambda x: x),
            "node part: MultiheadAttention with kdim 3 (expected null)",
        ),
        (
            Unknown(nn.MultiheadAttention(4, 2, add_bias_kv=True), lambda x: x),
            "node part: MultiheadAttention with add_bias_kv True (expected false)",
        ),
        (
            Unknown(Permute([0, -1]), torch.relu),
            "node part: Permute with dims (0, -1) (expected the numbers from 0 to at most 7 in any order)",
        ),
        (
            Unknown(nn.Conv2d(3, 3, 3, padding_mode="reflect"), torch.relu),
            """node part: Conv2d with padding_mode 'reflect' (expected "zeros")""",
        ),
    ],
)
def test_what_no_file_may_hold(module: nn.Module, reason: str) -> None:
    assert refused(lambda: to_json(trace(module))) == (
        "graph_not_allowed",
        f"the network's {reason} is not allowed in a model file",
        "Build the network from: Conv2d, BatchNorm2d, LayerNorm, LayerNorm2d, Linear, QuantizeEdge, "
        "MultiheadAttention, ReLU, ReLU6, GELU, SiLU, Sigmoid, Hardsigmoid, Hardswish, MaxPool2d, AvgPool2d, "
        "AdaptiveAvgPool2d, Dropout, StochasticDepth, ChannelShuffle, Flatten, Permute, Identity, "
        "operator.add, "
        "operator.getitem, operator.iadd, torch.cat, torch.flatten, torch.mul, torch.narrow, torch.select, "
        "expand, flatten, permute, size",
    )


GOOD = to_json(trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())))
A_NODE = "expected a node of placeholder, get_attr, call_module, call_function, call_method, output"
ARGUMENTS = "expected arguments that are nodes, numbers, true, false, null or lists of nodes"
AVERAGE = {
    "type": "AvgPool2d",
    "kernel_size": 2,
    "stride": 2,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}
LAST = {"name": "output", "op": "output", "args": [{"node": "_1"}]}


def changed(path: str, value: object) -> dict[str, Any]:
    """GOOD with one place changed; `path` is its keys, joined by slashes."""
    graph = copy.deepcopy(GOOD)
    *keys, last = path.split("/")
    place: Any = graph
    for key in keys:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return graph


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (None, "top: expected the keys ['modules', 'nodes', 'version'], found NoneType"),
        (changed("version", 2), "version: expected 1, found 2; this file needs a newer capstone"),
        (changed("nodes", {}), "top: modules is no object or nodes is no list"),
        (changed("nodes", []), "modules: a module is used by no node"),
        (changed("modules/0", 1), "modules.0: expected an object"),
        (
            changed("modules/0/stride", [0, 1]),
            "modules.0.stride: expected one or two whole numbers from 1, found [0, 1]",
        ),
        (
            changed("modules/0/groups", 2),
            "modules.0: no such Conv2d: in_channels must be divisible by groups",
        ),
        (
            changed("modules/1/device", "cuda"),
            "modules.1: expected the keys ['inplace', 'type'], found ['device', 'inplace', 'type']",
        ),
        (changed("modules/x", GOOD["modules"]["1"]), "modules: a module is used by no node"),
        (
            changed('modules/1", "training', GOOD["modules"]["1"]),
            'modules.1", "training: expected words or numbers joined by dots',
        ),
        (
            changed('modules/a-"', GOOD["modules"]["1"]),
            'modules.a-": expected words or numbers joined by dots',
        ),
        (
            changed("modules/-a", GOOD["modules"]["1"]),
            "modules.-a: expected words or numbers joined by dots",
        ),
        (
            changed("modules/forward", GOOD["modules"]["1"]),
            "modules.forward: the name is one of torch's or Python's own",
        ),
        (
            changed("modules/class", GOOD["modules"]["1"]),
            "modules.class: the name is one of torch's or Python's own",
        ),
        (changed("modules/1.inplace", GOOD["modules"]["1"]), "modules.1.inplace: the name is taken"),
        (
            changed("nodes/1", []),
            f"nodes[1]: {A_NODE}, found None",
        ),
        (changed("nodes/1/op", "call_any"), f"nodes[1]: {A_NODE}, found 'call_any'"),
        (changed("parameters", []), "top: parameters is no object"),
        (changed("parameters", {"x": [2]}), "parameters: a parameter is used by no node"),
        (
            changed("parameters", {"x": [0]}),
            "parameters.x: expected a list of 1 to 8 whole numbers from 1, found [0]",
        ),
        (
            changed("parameters", {"x": [2**31 - 1] * 8}),
            "parameters.x: more numbers than memory can hold",
        ),
        (changed("parameters", {"0": [2]}), "parameters.0: the name is taken"),
        (changed("parameters", {"0.weight": [2]}), "parameters.0.weight: the name is taken"),
        (
            changed("parameters", {"__class__": [2]}),
            "parameters.__class__: expected words or numbers joined by dots",
        ),
        (
            changed("nodes/1", {"name": "x", "op": "get_attr", "target": "x"}),
            "nodes[1]: there is no parameter 'x'",
        ),
        (changed("nodes/1/kwargs", {"a=1, b": 2}), "nodes[1]: a keyword argument has no usable name"),
        (changed("nodes/1", call("size", "size")), "nodes[1]: a method of nothing"),
        (
            changed("nodes/1", call("cat", "torch.cat", [[{"node": "input_1"}]])),
            f"nodes[1]: {ARGUMENTS}",
        ),
        (
            changed("nodes/1", call("cat", "torch.cat", [{"node": "x"}])),
            "nodes[1]: there is no node 'x' before it",
        ),
        (changed("nodes/1/name", "x\nimport os"), "nodes[1]: expected a name, found 'x\\nimport os'"),
        (changed("nodes/1/name", "lambda"), "nodes[1]: expected a name, found 'lambda'"),
        (changed("nodes/0/name", "self"), "nodes[0]: expected a name, found 'self'"),
        (changed("nodes/1/name", "print"), "nodes[1]: the name 'print' is taken"),
        (changed("nodes/1/name", "input_1"), "nodes[1]: the name 'input_1' is taken"),
        (changed("nodes/1/target", "2"), "nodes[1]: there is no module '2'"),
        (changed("nodes/1/args", [{"node": "_1"}]), "nodes[1]: there is no node '_1' before it"),
        (
            changed("nodes/1/args", ["input_1"]),
            f"nodes[1]: {ARGUMENTS}",
        ),
        (changed("nodes/1/args", {}), "nodes[1]: args is no list or kwargs is no object"),
        (
            changed(
                "nodes/1",
                {
                    "name": "f",
                    "op": "call_function",
                    "target": "torch.flatten",
                    "args": [],
                    "kwargs": {"a=1, b": 2},
                },
            ),
            "nodes[1]: a keyword argument has no usable name",
        ),
        (
            changed("nodes/2", {"name": "y", "op": "placeholder"}),
            "nodes[2]: expected one input first, one output last, and calls between",
        ),
        (changed("nodes/2", LAST | {"name": "end", "args": []}), "nodes[2]: expected one output"),
        (
            changed("modules/1", {"type": "StochasticDepth", "p": 0.1, "mode": "column"}),
            "modules.1.mode: expected row or batch, found 'column'",
        ),
        (
            changed("modules/1", {"type": "StochasticDepth", "p": 2, "mode": "row"}),
            "modules.1.p: expected a number from 0 to 1, found 2",
        ),
        (
            changed("modules/1", {"type": "Permute", "dims": [0, 1, 1]}),
            "modules.1.dims: expected the numbers from 0 to at most 7 in any order, found [0, 1, 1]",
        ),
        (
            changed("modules/1", {"type": "Permute", "dims": [0, "1"]}),
            "modules.1.dims: expected the numbers from 0 to at most 7 in any order, found [0, '1']",
        ),
        (
            changed("modules/1", {"type": "Flatten", "start_dim": "N", "end_dim": -1}),
            "modules.1.start_dim: expected a whole number from -8 to 7, found 'N'",
        ),
        (
            changed("modules/1", {"type": "ChannelShuffle", "groups": 0}),
            "modules.1.groups: expected a whole number from 1, found 0",
        ),
        (
            changed("modules/1", AVERAGE | {"divisor_override": 0}),
            "modules.1.divisor_override: expected a whole number from 1 or null, found 0",
        ),
    ],
)
def test_graphs_that_are_refused(graph: object, reason: str) -> None:
    assert refused(lambda: from_json(graph)) == ("graph_invalid", f"the network's graph, {reason}", DAMAGED)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (changed("modules/0/type", "Sequential"), "modules.0: a module 'Sequential'"),
        (changed("modules/0/type", ["Conv2d"]), "modules.0: a module ['Conv2d']"),
        (
            changed(
                "nodes/1",
                {"name": "f", "op": "call_function", "target": "os.system", "args": [], "kwargs": {}},
            ),
            "nodes[1]: a function 'os.system'",
        ),
        (
            changed("nodes/1", call("mul", "operator.mul", {"node": "input_1"}, 10**9)),
            "nodes[1]: a function 'operator.mul'",
        ),
        (
            changed("nodes/1", call("chunk", "chunk", {"node": "input_1"}, 10**9)),
            "nodes[1]: a method 'chunk'",
        ),
        (
            changed("nodes/1", call("save", "__reduce__", {"node": "input_1"})),
            "nodes[1]: a method '__reduce__'",
        ),
    ],
)
def test_graphs_with_something_unknown(graph: object, reason: str) -> None:
    assert refused(lambda: from_json(graph)) == (
        "graph_not_allowed",
        f"the network's graph, {reason} is not allowed in a file",
        "Update capstone if a newer one wrote this file",
    )
