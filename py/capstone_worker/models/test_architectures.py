"""Every architecture: as torchvision has it, through a graph as JSON, through a file, from foreign files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from .. import schema
from ..graph.codec import from_json, to_json
from ..graph.trace import trace
from .architectures import ARCHITECTURES, default_image_size, default_stem, family
from .build import build
from .file import load_model, save_model
from .foreign import start_from

PUBLISHED = [arch for arch in ARCHITECTURES if arch in torchvision.models.list_models()]
SMALL = [arch for arch in PUBLISHED if not arch.startswith(("vgg", "vit"))]
"""Whose files are no hundreds of megabytes."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(arch: str) -> nn.Module:
    """For 32 pixels and 10 classes; the widest matrices of a VGG, which are most of it, have few rows."""
    network = build(arch, num_classes=10, stem=default_stem(arch), image_size=32, seed=0)
    return (narrowed(network) if arch.startswith("vgg") else network).eval()


def narrowed(vgg: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for index, (inputs, outputs) in {0: (512 * 49, 8), 3: (8, 8), 6: (8, 10)}.items():
        vgg.classifier[index] = nn.Linear(inputs, outputs)
    return vgg


def torchvisions(arch: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=10)
    return network.eval()


def size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_through_json_and_a_file(arch: str, tmp_path: Path) -> None:
    network = built(arch)
    traced = trace(network)
    again: nn.Module = from_json(json.loads(json.dumps(to_json(traced))))
    again.to_empty(device="cpu").load_state_dict(network.state_dict())
    record = {"model": {"arch": arch, "num_classes": 10, "image_size": 32}}
    save_model(tmp_path / "m.pt", traced, record)
    loaded: nn.Module = load_model(tmp_path / "m.pt").network
    assert list(again.state_dict()) == list(loaded.state_dict()) == list(network.state_dict())
    with torch.no_grad():
        wanted = network(images())
        for other in [traced, again.eval(), loaded]:
            assert torch.equal(other(images()), wanted)
        for other in (network, loaded):
            other.train()
        drawn = []
        for other in (network, loaded):  # what a training draws at random it draws from a file too
            torch.manual_seed(1)
            drawn.append(other(images(8)))
        assert torch.equal(*drawn)


@pytest.mark.parametrize("arch", SMALL)
def test_as_torchvision_has_it(arch: str) -> None:
    """The independent judge is torchvision: same seed, same weights, names and logits, in training too."""
    network, judge = built(arch), torchvisions(arch)
    wanted = judge.state_dict()
    assert list(network.state_dict()) == list(wanted)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        assert torch.equal(network(images()), judge(images()))
        logits = []
        for it in (network.train(), judge.train()):
            torch.manual_seed(1)
            logits.append(it(images(8)))
        assert torch.equal(*logits)


@pytest.mark.parametrize("side", [32, 63, 64, 224])
def test_a_vgg_is_torchvisions_at_every_size(side: int) -> None:
    """The independent judge is torchvision; below 64 pixels its last map is 1x1, and spread here."""
    network = narrowed(build("vgg11_bn", num_classes=10, stem="imagenet", image_size=side, seed=0)).eval()
    judge = narrowed(torchvisions("vgg11_bn"))
    assert all(map(torch.equal, network.state_dict().values(), judge.state_dict().values()))
    given = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert torch.equal(network(given), judge(given))


@pytest.mark.parametrize("arch", PUBLISHED)
def test_as_many_parameters_as_torchvision_says(arch: str) -> None:
    with torch.device("meta"):
        network = build(arch, num_classes=1000, stem="imagenet", image_size=224, seed=0)
    entry = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"]
    assert size(network) == entry.meta["num_params"]
    assert {weight.device.type for weight in network.parameters()} == {"meta"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_smallest_images(arch: str) -> None:
    facts = schema.architecture(arch)
    least, step = facts.minimum_image_size, facts.image_size_multiple_of
    network = build(arch, num_classes=2, stem=default_stem(arch), image_size=least, seed=0).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, least, least)).isfinite().all()
        if least > 8 and step == 1:  # no job can have smaller ones than 8
            with pytest.raises(RuntimeError):
                network(torch.zeros(1, 3, least - 1, least - 1))
    assert default_image_size(arch) >= least


@pytest.mark.parametrize("arch", SMALL)
def test_foreign_weights(arch: str, tmp_path: Path) -> None:
    judge = torchvisions(arch)
    torch.save(judge.state_dict(), tmp_path / "theirs.pth")
    loaded = load_model(tmp_path / "theirs.pth", arch=arch)
    assert loaded.record["model"] == {
        "arch": arch,
        "family": family(arch),
        "num_classes": 10,
        "stem": "imagenet",
        "image_size": 32,
    }
    with torch.no_grad():
        assert torch.equal(loaded.network(images()), judge(images()))


def test_the_names_of_a_published_densenet(tmp_path: Path) -> None:
    """The independent judge is torchvision's reader of its own files."""
    judge = torchvision.models.densenet121(num_classes=10)
    theirs = {
        re.sub(r"(denselayer\d+\.(norm|conv))([12]\.)", r"\1.\3", name): tensor
        for name, tensor in judge.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in theirs
    torch.save(theirs, tmp_path / "theirs.pth")
    loaded = load_model(tmp_path / "theirs.pth", arch="densenet121").network
    assert all(torch.equal(tensor, judge.state_dict()[name]) for name, tensor in loaded.state_dict().items())


def test_a_head_that_is_a_convolution_stays_when_training_starts_from_weights(tmp_path: Path) -> None:
    theirs = torchvision.models.squeezenet1_1(num_classes=7).state_dict()
    torch.save(theirs, tmp_path / "theirs.pth")
    network = built("squeezenet1_1")
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start_from(tmp_path / "theirs.pth", network, "squeezenet1_1", 32)
    for name, tensor in network.state_dict().items():
        wanted = fresh if name.startswith("classifier.1.") else theirs
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize("arch", ["resnet34", "resnet50"])
def test_the_cifar_stem(arch: str) -> None:
    with torch.device("meta"):
        network = build(arch, num_classes=10, stem="cifar", image_size=32, seed=0)
        assert network.layer1(network.maxpool(network.conv1(torch.empty(2, 3, 32, 32)))).shape[2:] == (32, 32)
        stock = build(arch, num_classes=10, stem="imagenet", image_size=32, seed=0)
    fewer = size(stock) - size(network)
    assert fewer == 3 * 64 * (7 * 7 - 3 * 3)
