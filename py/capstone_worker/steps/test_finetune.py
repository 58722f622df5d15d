"""Fine-tuning of a network that was pruned, on real images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import fx

from ..data.cache import Dataset
from ..errors import Stopped, UserError
from ..graph.trace import trace
from ..models.build import build
from ..report import Event
from .base import Context
from .conftest import FINETUNE, images_of_fashion
from .finetune import Finetune
from .prune_structured import PruneStructured
from .quantize_dynamic import QuantizeDynamic
from .registry import apply_steps

FEW = 256
"""Training images."""

SETTINGS: dict[str, Any] = {**FINETUNE, "distill": {"temperature": 4.0, "weight": 0.5}}


@pytest.fixture(scope="module")
def few_images() -> Dataset:
    data = images_of_fashion()
    return replace(data, train_images=data.train_images[:FEW], train_labels=data.train_labels[:FEW])


def new(arch: str = "resnet20") -> fx.GraphModule:
    return trace(build(arch, num_classes=10, stem="cifar", image_size=32, seed=0).eval())


def context(network: fx.GraphModule, data: Dataset, **more: Any) -> Context:  # noqa: ANN401
    return Context(32, network, load=lambda: data, **more)


def weights(network: fx.GraphModule) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_it_learns_and_leaves_what_it_was_given(few_images: Dataset) -> None:
    network = new()
    before = [tensor.clone() for tensor in weights(network)]
    events: list[Event] = []
    found = Finetune(**{**SETTINGS, "epochs": 4}).apply(network, context(network, few_images), events.append)
    tested = [event for event in events if event.get("split") == "test"]
    assert [event["epoch"] for event in tested] == [4]  # when nothing is left to choose
    assert found.record["acc"] == tested[0]["values"]["acc"]
    assert found.record["deterministic"] is True
    assert all(torch.equal(a, b) for a, b in zip(before, weights(network), strict=True))
    assert not found.network.training
    losses = [event["values"]["loss"] for event in events if event.get("split") == "train"]
    assert losses[-1] < losses[0]


def test_rounded_weights_stay_on_their_grid(few_images: Dataset) -> None:
    network = new()
    settings = {**SETTINGS, "epochs": 1, "weight_bits": 4}
    found = Finetune(**settings).apply(network, context(network, few_images), lambda event: None)
    kernel = found.network.get_submodule("layer1.0.conv1").weight
    assert isinstance(kernel, torch.Tensor)
    scale = kernel.detach().abs().flatten(1).amax(1) / 7
    steps = kernel.detach().flatten(1) / scale[:, None]
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)


def test_stopped_and_called_again_it_ends_with_the_same_bits(few_images: Dataset, tmp_path: Path) -> None:
    network = new()
    step = Finetune(**{**SETTINGS, "weight_bits": 4, "ema_decay": 0.9})
    undisturbed = step.apply(network, context(network, few_images), lambda event: None)
    asked = iter([False] * 5 + [True])
    with pytest.raises(Stopped):
        step.apply(
            network,
            context(network, few_images, partial=tmp_path, should_stop=lambda: next(asked)),
            lambda event: None,
        )
    resumed = step.apply(network, context(network, few_images, partial=tmp_path), lambda event: None)
    assert resumed.record == undisturbed.record
    for one, other in zip(weights(undisturbed.network), weights(resumed.network), strict=True):
        assert torch.equal(one, other)


def test_a_quantised_network_is_refused(few_images: Dataset) -> None:
    network = trace(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10)))
    quantized = QuantizeDynamic().apply(network, context(network, few_images), lambda event: None).network
    with pytest.raises(UserError) as call:
        Finetune(**SETTINGS).apply(quantized, context(network, few_images), lambda event: None)
    assert (call.value.code, call.value.message, call.value.hint) == (
        "finetune_impossible",
        "finetune: the network has no float weights that could be trained",
        "Put finetune before the step that quantises",
    )


@pytest.mark.parametrize(
    ("importance", "scope", "target"),
    [
        ("l2", "global", "macs"),
        ("l2", "global", "params"),
        ("l2", "layer", "macs"),
        ("taylor", "global", "macs"),
        ("bn_scale", "global", "params"),
    ],
)
def test_channels_go_until_the_target_is_reached(
    few_images: Dataset,
    importance: Literal["l2", "taylor", "bn_scale"],
    scope: Literal["global", "layer"],
    target: Literal["macs", "params"],
) -> None:
    network = new()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # untrained, all channels are equal to `bn_scale`
            torch.nn.init.uniform_(module.weight)
    before = [tensor.clone() for tensor in weights(network)]
    step = PruneStructured(target=target, ratio=0.4, importance=importance, scope=scope, round_to=4)
    found = step.apply(network, context(network, few_images), lambda event: None)
    record = found.record
    removed = 1 - record[f"{target}_after"] / record[f"{target}_before"]
    assert 0.4 <= removed < 0.6
    assert sum(parameter.numel() for parameter in found.network.parameters()) == record["params_after"]
    kernels = [module for module in found.network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert all(kernel.out_channels % 4 == 0 for kernel in kernels)
    assert found.network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(network), strict=True))


def test_channels_that_do_nothing_go_first_and_nothing_changes(few_images: Dataset) -> None:
    """The judge: a network in which half of the inner channels of each block are dead by construction."""
    torch.manual_seed(0)
    network = trace(
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 8, 3, padding=1),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 10),
        ).eval()
    )
    dead = torch.randperm(16)[:8]
    first, second = network.get_submodule("0"), network.get_submodule("2")
    assert isinstance(first, torch.nn.Conv2d)
    assert isinstance(second, torch.nn.Conv2d)
    with torch.no_grad():
        first.weight[dead] = 0
        assert first.bias is not None
        first.bias[dead] = 0
        second.weight[:, dead] = 0
    step = PruneStructured(target="macs", ratio=0.45, importance="l2", scope="global", round_to=1)
    found = step.apply(network, context(network, few_images), lambda event: None)
    kept = found.network.get_submodule("0")
    assert isinstance(kept, torch.nn.Conv2d)
    assert kept.out_channels == 8
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(found.network(images), network(images))


def test_a_target_that_is_out_of_reach_is_refused(few_images: Dataset) -> None:
    network = new()
    step = PruneStructured(target="params", ratio=0.9999, importance="l2", scope="layer", round_to=8)
    with pytest.raises(UserError) as call:
        step.apply(network, context(network, few_images), lambda event: None)
    assert call.value.code == "target_out_of_reach"
    assert call.value.message.startswith("prune_structured: ")
    assert call.value.message.endswith(" of the params can be removed, 100% are wanted")
    assert call.value.hint == "Lower ratio, or prune_depth before it"


@pytest.mark.parametrize("weight_bits", [None, 4])
def test_what_was_pruned_by_magnitude_stays_zero(few_images: Dataset, weight_bits: int | None) -> None:
    network = new()
    steps = [
        {"step": "prune_magnitude", "amount": 0.8, "scope": "global"},
        {"step": "finetune", **SETTINGS, "epochs": 1, "ema_decay": 0.9, "weight_bits": weight_bits},
    ]
    pruned, (record,) = apply_steps(network, steps[:1], context(network, few_images), lambda event: None)
    tuned, _ = apply_steps(network, steps, context(network, few_images), lambda event: None)
    changed = 0
    for name, weight in tuned.named_parameters():
        if weight.dim() > 1:
            before = pruned.get_parameter(name)
            assert torch.all(weight[before == 0] == 0), name
            changed += int((weight != before).sum())
    assert changed > 0.9 * (record["weights"] - record["zeroed"])
