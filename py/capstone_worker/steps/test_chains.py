"""Prune, tune, quantize, pack: through a file and a fresh process, bit for bit; and what may not follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from .. import recipes
from ..data.cache import Dataset
from ..errors import UserError
from ..graph.trace import trace
from ..measure.counts import parameter_counts
from ..models.build import build
from ..models.conftest import IMAGES, Fresh, digest
from ..models.file import load_model, save_model
from ..report import Event
from ..runtimes.registry import RUNTIMES
from ..runtimes.source import Source
from .base import Context
from .conftest import FINETUNE, images_of_fashion
from .registry import apply_steps

FEW_STEPS = {
    **FINETUNE,
    "step": "finetune",
    "epochs": 1,
    "lr": 0.01,
    "batch_size": 32,
    "distill": {"temperature": 4.0, "weight": 0.9},
    "weight_bits": 5,
    "max_train_samples": 64,
}
PRUNE = {
    "step": "prune_structured",
    "target": "params",
    "ratio": 0.5,
    "importance": "l2",
    "scope": "layer",
    "round_to": 8,
}
CHAIN: list[dict[str, Any]] = [
    PRUNE,
    FEW_STEPS,
    {"step": "specialize"},
    {"step": "quantize_static", "weight_bits": 5, "calibration_samples": 64},
    {"step": "pack", "bits": 5, "codec": "deflate", "max_divergence": 0.01},
]


class Mine(nn.Module):
    """A network that no library has: two paths, added."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU())
        self.left = nn.Sequential(nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.right = nn.Conv2d(24, 24, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(24, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.stem(images)
        pooled = self.pool(self.left(values) + self.right(values))
        logits: torch.Tensor = self.head(torch.flatten(pooled, 1))
        return logits


def network_of(arch: str) -> fx.GraphModule:
    torch.manual_seed(0)
    if arch == "mine":
        return trace(Mine().eval())
    stem = "cifar" if arch == "resnet20" else "imagenet"  # on small maps the large ones are quick
    network = build(arch, num_classes=10, stem=stem, image_size=32, seed=0)  # type: ignore[arg-type]
    if (
        arch == "vgg11_bn"
    ):  # with the head that it is usually given for CIFAR: its own has 120 million weights
        network.avgpool, network.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(512, 10)
    return trace(network.eval())


def few() -> Dataset:
    data = images_of_fashion()
    return replace(data, train_images=data.train_images[:100], train_labels=data.train_labels[:100])


def ignore(event: Event) -> None:
    pass


@pytest.fixture(autouse=True)
def one_thread() -> Any:  # noqa: ANN401
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "arch",
    [
        "resnet18",
        "resnet50",
        "resnet20",
        "vgg11_bn",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "mine",
    ],
)
def test_smaller_in_int8_packed_and_the_same_bits_in_a_fresh_process(
    arch: str, said_in_a_fresh_process: Fresh, tmp_path: Path
) -> None:
    network = network_of(arch)
    context = Context(32, network, load=few)
    found, records = apply_steps(network, CHAIN, context, ignore)
    assert [record["step"] for record in records] == [step["step"] for step in CHAIN]
    record = {"model": {"arch": arch, "num_classes": 10, "image_size": 32}}
    _, size = save_model(tmp_path / "m.pt", found, record)
    counts = parameter_counts(found)
    assert counts.params < 0.55 * parameter_counts(network).params
    assert size < counts.params * 5 / 8 * 1.05 + 100_000  # the graph, scales and biases besides
    runtimes = ("torch", "torch_frozen")
    here = []
    for name in runtimes:
        prepared = RUNTIMES[name].prepare(Source(found, 32), threads=1)
        assert prepared.dtype == "int8"
        here.append(digest(prepared.forward(IMAGES)))
    assert said_in_a_fresh_process(tmp_path / "m.pt", *runtimes) == here
    loaded = load_model(tmp_path / "m.pt")
    assert torch.equal(loaded.network(IMAGES), found(IMAGES))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pack", "finetune"),
        ("pack", "pack"),
        ("pack", "prune_structured"),
        ("quantize_static", "prune_structured"),
        ("quantize_static", "prune_depth"),
        ("quantize_static", "finetune"),
        ("quantize_static", "quantize_dynamic"),
        ("quantize_static", "specialize"),
        ("quantize_dynamic", "quantize_static"),
        ("quantize_dynamic", "finetune"),
        ("quantize_dynamic", "prune_magnitude"),
        ("specialize", "finetune"),
    ],
)
def test_what_may_not_follow_is_refused_by_name(before: str, after: str) -> None:
    with pytest.raises(UserError) as call:
        recipes.check_order([{"step": before}, {"step": after}], "mine.json", "levels.1")
    assert (call.value.code, call.value.message, call.value.hint) == (
        "recipe_invalid",
        f'mine.json, levels.1[1].step: expected a step that may follow {before}, found "{after}"',
        f"{after} never comes after {before}: move it before, or leave one of them out",
    )
