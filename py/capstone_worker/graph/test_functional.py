"""Functions as modules: the independent judge is the network itself, whose outputs the graph repeats."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import UserError
from .codec import from_json, to_json
from .trace import trace


class Said(nn.Module):
    """A convolution and what a test says of it."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


SAID: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu of torch": torch.relu,
    "relu method": lambda x: x.relu(),
    "relu in place": lambda x: F.relu(x, inplace=True) + x,
    "relu6": F.relu6,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": lambda x: F.sigmoid(x) + torch.sigmoid(x) + x.sigmoid(),
    "max pool": lambda x: F.max_pool2d(x, 3, 2, padding=1),
    "max pool with two sides": lambda x: F.max_pool2d(x, [2, 1]),
    "average pool": lambda x: F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False),
    "adaptive pool": lambda x: F.adaptive_avg_pool2d(x, (1, 1)),
    "the whole map": lambda x: F.avg_pool2d(x, x.size()[3]),
    "the whole map by its shape": lambda x: F.avg_pool2d(x, x.shape[2:]),
    "the whole map by its sides": lambda x: F.avg_pool2d(x, (x.size(2), x.size(3))),
    "mean": lambda x: x.mean([2, 3]),
    "mean kept": lambda x: torch.mean(x, dim=(-1, -2), keepdim=True),
    "dropout": lambda x: F.dropout(x, 0.4, training=False),
    "view": lambda x: x.view(x.size(0), -1),
    "reshape": lambda x: torch.reshape(x, (x.shape[0], -1)),
    "add": lambda x: torch.add(x, x).add(x),
    "every other pixel": lambda x: x[:, :, ::2, ::3],
    "padded channels": lambda x: F.pad(x, (0, 0, 0, 0, 4, 2), "constant", 0),
}


@pytest.mark.parametrize("name", SAID)
def test_the_graph_says_the_same_and_may_stand_in_a_file(name: str) -> None:
    torch.manual_seed(0)
    module = Said(SAID[name]).eval()
    network = trace(module)
    again = from_json(to_json(network)).to_empty(device="cpu").eval()
    again.load_state_dict(module.state_dict())  # no parameter has come or gone
    for count in (1, 3):
        images = torch.randn(count, 3, 6, 6)
        expected = module(images)
        torch.testing.assert_close(network(images), expected)
        torch.testing.assert_close(again(images), expected)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: F.dropout(x, 0.5), "node dropout: the function dropout"),
        (lambda x: x.mean(1), "node mean: the method mean"),
        (lambda x: x.view(2, -1), "node view: the method view"),
        (lambda x: F.pad(x, (1, 1, 1, 1)), "node pad: the function pad"),
        (lambda x: x[:, :, 1::2, ::2], "node getitem: an argument of type tuple"),
        (lambda x: F.avg_pool2d(x, 2, x.size(1)), "node avg_pool2d: the function avg_pool2d"),
        (lambda x: torch.add(x, x, alpha=2), "node add: the function add"),
    ],
)
def test_what_is_no_such_module_is_refused_by_name(function: Callable[[Tensor], Tensor], what: str) -> None:
    with pytest.raises(UserError) as refused:
        to_json(trace(Said(function).eval()))
    assert refused.value.code == "graph_not_allowed"
    assert refused.value.message == f"the network's {what} is not allowed in a model file"


def test_names_of_the_network_are_left_alone() -> None:
    class Named(Said):
        def __init__(self) -> None:
            super().__init__(F.relu)
            self.relu = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(F.relu(self.conv(x)))  # type: ignore[no-any-return]

    module = Named().eval()
    images = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(trace(module)(images), module(images))
    assert isinstance(module.relu, nn.Linear)


def test_a_forward_that_depends_on_values_is_refused_and_the_module_named() -> None:
    def branch(x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x

    with pytest.raises(UserError) as refused:
        trace(nn.Sequential(nn.ReLU(), Said(branch)))
    assert (refused.value.code, refused.value.message, refused.value.hint) == (
        "graph_not_traceable",
        "the forward of 1 (Said) cannot be recorded as a graph: "
        "symbolically traced variables cannot be used as inputs to control flow",
        "Let it compute the same for all images: no if, loop or number that depends on their values",
    )
