"""Networks of one's own: made, refused, and opened again without their code; the messages whole."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ..errors import UserError
from .file import load_model, save_model
from .own_code import Code, check_outputs, find_function, make_network

NET = """
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Widths:
    first: int = 8


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        width = Widths().first
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.head(x.mean([2, 3]))


def small(num_classes=4):
    return Net(num_classes)


def fixed():
    return Net(5)
"""
NOT_NETS = """
from torch import nn

import numpy as np


class Bad(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.said = forward

    def forward(self, x):
        return self.said(x)


def maps():
    return Bad(lambda x: x)


def pair():
    return Bad(lambda x: (x, x))


def fails():
    return Bad(lambda x: x @ x.new_zeros(7))


def branches():
    return nn.Sequential(nn.Flatten(), Bad(lambda x: x if x.sum() > 0 else -x))


def unknown():
    return nn.Sequential(nn.Flatten(), nn.Tanh())


def raises(num_classes):
    raise ValueError(f"no {num_classes}\\nsecond line")


def gives_class():
    return Bad


def leaves():
    raise SystemExit(3)
"""


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Code]:
    def write(function: str, text: str = NET, sha256: str | None = None) -> Code:
        path = tmp_path / "net.py"
        path.write_text(text)
        return Code(path, function, sha256 or hashlib.sha256(text.encode()).hexdigest())

    return write


def make(code: Code, num_classes: int | None = None) -> tuple[torch.nn.Module, int]:
    return make_network(code, find_function(code), num_classes=num_classes, image_size=8, seed=3)


def refused(act: Callable[[], object], folder: Path) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        act()
    return caught.value.code, caught.value.message.replace(f"{folder}/", ""), caught.value.hint


@pytest.mark.parametrize(
    ("function", "asked", "outputs"), [("small", 7, 7), ("small", None, 4), ("fixed", 7, 5)]
)
def test_classes_are_asked_for_where_the_function_takes_them(
    code: Callable[..., Code], function: str, asked: int | None, outputs: int
) -> None:
    network, found = make(code(function), asked)
    assert found == outputs
    assert network.training


def test_the_same_seed_gives_the_same_weights_and_torchs_generator_is_as_it_was(
    code: Callable[..., Code],
) -> None:
    before = torch.random.get_rng_state()
    first, again = (make(code("small"))[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_nothing_is_written_beside_the_file_and_nobody_can_import_it(
    code: Callable[..., Code], tmp_path: Path
) -> None:
    make(code("small"))
    assert [file.name for file in tmp_path.iterdir()] == ["net.py"]
    assert "net" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_weights_from_elsewhere_and_a_file_that_needs_no_code(
    code: Callable[..., Code], tmp_path: Path
) -> None:
    made = code("small")
    source = make(made, 4)[0].eval()
    weights = {f"module.{name}": tensor for name, tensor in source.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "small.th")
    loaded = load_model(tmp_path / "small.th", arch="custom", num_classes=4, image_size=8, code=made)
    assert loaded.record == {
        "model": {"arch": "custom", "family": "custom", "num_classes": 4, "image_size": 8}
    }
    images = torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(loaded.network(images), source(images))

    save_model(tmp_path / "small.pth", loaded.network, loaded.record)
    made.path.unlink()
    again = load_model(tmp_path / "small.pth", arch="custom", num_classes=4, image_size=8)
    assert torch.equal(again.network(images), loaded.network(images))


def test_weights_that_do_not_fit(code: Callable[..., Code], tmp_path: Path) -> None:
    made = code("small")
    weights = dict(make(made, 4)[0].state_dict())
    weights["stem.weight"] = weights.pop("conv.weight")
    weights["head.bias"] = torch.zeros(9)
    torch.save(weights, tmp_path / "small.th")
    assert refused(
        lambda: load_model(tmp_path / "small.th", arch="custom", image_size=8, code=made), tmp_path
    ) == (
        "model_does_not_fit",
        "small.th: its weights do not fit net.py:small: conv.weight is missing; "
        "stem.weight is not part of it; head.bias is float32 9, expected float32 4",
        "Name the function that makes the network of these weights",
    )


def test_files_that_are_not_what_was_allowed(code: Callable[..., Code], tmp_path: Path) -> None:
    other = code("small", sha256="0" * 64)
    assert refused(lambda: find_function(other), tmp_path) == (
        "code_changed",
        "net.py has changed since the task was planned",
        "Run the same command again: it plans anew with what is there now",
    )
    other.path.unlink()
    assert refused(lambda: find_function(other), tmp_path) == (
        "code_missing",
        "net.py cannot be read: No such file or directory",
        'Check the path in "code"',
    )


CORRECT = "Correct it there, and run the same command again"
SAME = "Let it compute the same for all images: no if, loop or number that depends on their values"


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        (
            "smal",
            NET,
            (
                "code_no_function",
                "net.py: there is no function smal in it",
                'Name one that is there in "code", such as net.py:fixed',
            ),
        ),
        (
            "small",
            "def small(:\n",
            (
                "code_failed",
                "net.py, line 1: the file cannot be imported: SyntaxError: invalid syntax (net.py, line 1)",
                CORRECT,
            ),
        ),
        (
            "small",
            "\nimport blocks_of_mine\n",
            (
                "code_failed",
                "net.py, line 2: the file cannot be imported: ModuleNotFoundError: "
                "No module named 'blocks_of_mine'",
                "Put all of it into this one file: neighbours are not found; packages are imported as they "
                "are installed beside torch",
            ),
        ),
        (
            "raises",
            NOT_NETS,
            ("code_failed", "net.py, line 37: raises(num_classes=4) failed: ValueError: no 4", CORRECT),
        ),
        ("leaves", NOT_NETS, ("code_failed", "net.py, line 45: leaves() failed: SystemExit: 3", CORRECT)),
        (
            "gives_class",
            NOT_NETS,
            (
                "code_not_a_module",
                "net.py: gives_class gives a type, expected a torch.nn.Module",
                "Return the network itself",
            ),
        ),
        (
            "maps",
            NOT_NETS,
            (
                "code_wrong_shape",
                "net.py: the network of maps gives (2, 3, 8, 8) for 2 images, "
                "expected (N, classes) for (N, 3, 8, 8)",
                "Return logits, one row for each image",
            ),
        ),
        (
            "pair",
            NOT_NETS,
            (
                "code_wrong_shape",
                "net.py: the network of pair gives a tuple for 2 images, "
                "expected (N, classes) for (N, 3, 8, 8)",
                "Return logits, one row for each image",
            ),
        ),
        (
            "branches",
            NOT_NETS,
            (
                "graph_not_traceable",
                "net.py: the forward of 1 (Bad) cannot be recorded as a graph: "
                "symbolically traced variables cannot be used as inputs to control flow",
                SAME,
            ),
        ),
    ],
)
def test_code_that_makes_no_network(
    code: Callable[..., Code], tmp_path: Path, function: str, text: str, expected: tuple[str, str, str]
) -> None:
    assert refused(lambda: make(code(function, text), 4), tmp_path) == expected


def test_a_module_that_no_file_may_hold_is_named(code: Callable[..., Code], tmp_path: Path) -> None:
    kind, message, _ = refused(lambda: make(code("unknown", NOT_NETS)), tmp_path)
    assert (kind, message) == (
        "graph_not_allowed",
        "net.py: the network's node _1: the module Tanh is not allowed in a model file",
    )


def test_a_network_that_fails_on_its_images(code: Callable[..., Code], tmp_path: Path) -> None:
    kind, message, hint = refused(lambda: make(code("fails", NOT_NETS)), tmp_path)
    assert (kind, hint) == ("code_failed", CORRECT)
    assert message.startswith("net.py, line 25: the network fails on images of 8 pixels: RuntimeError: ")


def test_another_number_of_outputs(code: Callable[..., Code], tmp_path: Path) -> None:
    assert refused(lambda: check_outputs(code("fixed"), 5, 10, "data set birds has"), tmp_path) == (
        "model_wrong_classes",
        "net.py: the network of fixed has 5 outputs, data set birds has 10",
        "Let the function take num_classes and make that many outputs",
    )
