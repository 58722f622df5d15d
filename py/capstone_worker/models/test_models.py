"""Networks by name, in files of ours and in foreign ones."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from .. import schema
from ..artifact.archive import REMAKE
from ..artifact.read import read_model
from ..artifact.write import write_model
from ..errors import UserError
from ..graph.int8_static import QuantizeEdge, StaticInt8Linear
from ..graph.trace import trace
from .architectures import ARCHITECTURES, default_image_size, family
from .build import build
from .cifar_resnet import cifar_resnet
from .file import load_model, save_model
from .vit import VisionTransformer

RECORD = {"model": {"arch": "tiny", "num_classes": 2, "image_size": 8}}


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.flatten(self.pool(self.conv(x)), 1))
        return logits


def refused(act: Callable[[], object]) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        act()
    return caught.value.code, caught.value.message, caught.value.hint


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that torchvision's user might have, saved from DataParallel."""
    path = tmp_path_factory.mktemp("foreign") / "resnet.pth"
    weights = torchvision.models.resnet18(num_classes=7).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, path)
    return path


def test_resnet18_is_torchvisions() -> None:
    """The independent judge is torchvision: same seed, same weights, same names."""
    torch.manual_seed(3)
    wanted = torchvision.models.resnet18(num_classes=10).state_dict()
    before = torch.random.get_rng_state()
    network = build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert list(network.state_dict()) == list(wanted)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.state_dict().items())


def test_cifar_stem() -> None:
    with torch.device("meta"):
        network = build("resnet18", num_classes=10, stem="cifar", image_size=32, seed=0)
        assert network.conv1(torch.empty(1, 3, 32, 32)).shape == (1, 64, 32, 32)
    assert isinstance(network.maxpool, nn.Identity)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_cifar_resnets(depth: int, millions: float, tmp_path: Path) -> None:
    """The independent judge is the paper: its table 6 has the weights; one convolution or Linear a layer."""
    network = build(f"resnet{depth}", num_classes=10, stem="cifar", image_size=32, seed=0).eval()
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in name
    ]
    assert len(layers) == depth
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.008)
    images = torch.randn(2, 3, 32, 32)
    maps = network.layer3(network.layer2(network.layer1(network.bn1(network.conv1(images)))))
    assert maps.shape == (2, 64, 8, 8)
    save_model(tmp_path / "m.pt", trace(network), {**RECORD, "model": {**RECORD["model"], "num_classes": 10}})
    again = load_model(tmp_path / "m.pt").network
    assert torch.equal(again(images), network(images))


def test_a_cifar_resnet_has_6n_plus_2_layers() -> None:
    with pytest.raises(ValueError, match="6 n \\+ 2 layers, not 18"):
        cifar_resnet(18, 10)


def test_vit_is_torchvisions_with_a_random_head() -> None:
    """The independent judge is torchvision: same seed, same weights, names and logits."""
    torch.manual_seed(3)
    judge = torchvision.models.vit_b_16(image_size=32, num_classes=10).eval()
    network = build("vit_b_16", num_classes=10, stem="imagenet", image_size=32, seed=3).eval()
    wanted = judge.state_dict()
    assert list(network.state_dict()) == list(wanted)
    assert [
        name for name, tensor in network.state_dict().items() if not torch.equal(tensor, wanted[name])
    ] == ["heads.head.weight"]
    assert network.heads.head.weight.std().item() == pytest.approx(0.02, rel=0.05)
    judge.load_state_dict(network.state_dict())
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(network(images), judge(images))


def test_a_vit_in_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=48, patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=5
    ).eval()
    path = tmp_path / "m.pt"
    save_model(path, trace(network), {"model": {"arch": "tiny", "num_classes": 5, "image_size": 48}})
    loaded = load_model(path).network
    for batch in (1, 4):
        images = torch.randn(batch, 3, 48, 48)
        assert torch.equal(loaded(images), network(images))


@pytest.mark.parametrize(("size", "near"), [(16, 32), (40, 32), (60, 64)])
def test_image_sizes_a_vit_cannot_have(size: int, near: int) -> None:
    assert refused(lambda: build("vit_b_16", num_classes=2, stem="imagenet", image_size=size, seed=0)) == (
        "image_size_unfit",
        f"vit_b_16: expected as image_size a multiple of 16, at least 32, found {size}",
        f"Choose {near}",
    )


def test_a_stem_a_vit_cannot_have() -> None:
    assert refused(lambda: build("vit_b_16", num_classes=2, stem="cifar", image_size=32, seed=0)) == (
        "stem_unfit",
        "vit_b_16: expected the stem imagenet, found cifar",
        "Leave the stem out",
    )


def test_the_schema_and_the_networks_name_the_same() -> None:
    assert list(schema.load("job")["x-architectures"]) == list(ARCHITECTURES)
    assert [(arch, family(arch), default_image_size(arch)) for arch in ARCHITECTURES] == [
        ("resnet18", "resnet", 32),
        ("vit_b_16", "vit", 224),
        *((f"resnet{depth}", "resnet", 32) for depth in (20, 32, 44, 56, 34, 50)),
        ("vgg11_bn", "vgg", 32),
        ("vgg16_bn", "vgg", 32),
        ("mobilenet_v2", "mobilenet", 32),
        ("mobilenet_v3_small", "mobilenet", 32),
        ("mobilenet_v3_large", "mobilenet", 32),
        ("efficientnet_b0", "efficientnet", 32),
        ("densenet121", "densenet", 32),
        ("regnet_y_400mf", "regnet", 32),
        ("shufflenet_v2_x1_0", "shufflenet", 32),
        ("convnext_tiny", "convnext", 32),
        ("squeezenet1_1", "squeezenet", 32),
    ]


def test_unknown_architectures() -> None:
    def ask(arch: str) -> tuple[str, str, str]:
        return refused(lambda: build(arch, num_classes=2, stem="imagenet", image_size=32, seed=0))

    assert ask("resnet81") == (
        "arch_unknown",
        f"there is no architecture 'resnet81'; known: {', '.join(ARCHITECTURES)}",
        "Did you mean resnet18?",
    )
    assert ask("x")[2] == "Name one of these"


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    network = trace(Tiny())
    sha256, size = save_model(path, network, RECORD)
    loaded = load_model(path, arch="tiny", num_classes=2)
    images = torch.randn(2, 3, 8, 8)
    assert not loaded.network.training
    assert torch.equal(loaded.network(images), network(images))
    assert (loaded.sha256, loaded.bytes) == (sha256, size)
    assert loaded.record == {**RECORD, "format": 1, "graph": loaded.record["graph"]}
    save_model(tmp_path / "again.pt", loaded.network, loaded.record)
    assert (tmp_path / "again.pt").read_bytes() == path.read_bytes()


def test_a_foreign_checkpoint(foreign: Path) -> None:
    loaded = load_model(foreign, arch="resnet18", num_classes=7)
    assert loaded.record["model"] == {
        "arch": "resnet18",
        "family": "resnet",
        "num_classes": 7,
        "stem": "imagenet",
        "image_size": 32,
    }
    weights = read_model(foreign).tensors
    assert list(loaded.network.state_dict()) == list(weights)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.network.state_dict().items())


def test_foreign_checkpoints_that_do_not_fit(foreign: Path, tmp_path: Path) -> None:
    assert refused(lambda: load_model(foreign)) == (
        "model_arch_needed",
        f"{foreign}: not written by capstone, so it does not say which network it belongs to",
        "Name the architecture with --model",
    )
    assert refused(lambda: load_model(foreign, arch="resnet18", num_classes=10)) == (
        "model_wrong_classes",
        f"{foreign}: expected 10 classes, the file has 7",
        "Use --num-classes 7 with its data set, or name another file",
    )
    assert refused(lambda: load_model(foreign, arch="resnet18", stem="cifar")) == (
        "model_does_not_fit",
        f"{foreign}: its weights do not fit resnet18: "
        "conv1.weight is float32 64x3x7x7, expected float32 64x3x3x3",
        "Name the architecture and stem that the weights belong to",
    )
    other = tmp_path / "other.pth"
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), other)
    assert refused(lambda: load_model(other, arch="resnet18")) == (
        "model_wrong_arch",
        f"{other}: the weights are not those of resnet18: fc.weight is missing or no matrix",
        "Name the architecture that the weights belong to",
    )
    torch.save({"fc.weight": torch.zeros(10, 512)}, other)
    assert refused(lambda: load_model(other, arch="resnet18"))[1] == (
        f"{other}: its weights do not fit resnet18: conv1.weight is missing; bn1.weight is missing; "
        "bn1.bias is missing; and 98 more"
    )


DAMAGED = "The file is damaged or was changed after it was written: make it again"


@pytest.mark.parametrize(
    ("changes", "code", "reason", "hint"),
    [
        (
            {"format": 2},
            "model_format_unknown",
            "expected format 1, found 2",
            "Update capstone: a newer one wrote this file",
        ),
        (
            {"model": {**RECORD["model"], "arch": "other"}},
            "model_wrong_arch",
            "expected tiny, the file holds other",
            "Name the model other, or another file",
        ),
        (
            {"graph": None},
            "graph_invalid",
            "the network's graph, top: expected the keys ['modules', 'nodes', 'version'], found NoneType",
            DAMAGED,
        ),
        (
            {"model": {**RECORD["model"], "image_size": "8"}},
            "graph_invalid",
            "the network's graph: image_size is '8'",
            DAMAGED,
        ),
        ({"model": None}, "model_record_invalid", "its record does not say which network it holds", DAMAGED),
        (
            {"model": {**RECORD["model"], "num_classes": 3}},
            "graph_invalid",
            "the network's graph: it gives (2, 2) for 2 images and 3 classes",
            DAMAGED,
        ),
    ],
)
def test_files_of_ours_that_are_refused(
    tmp_path: Path, changes: dict[str, Any], code: str, reason: str, hint: str
) -> None:
    path = tmp_path / "m.pt"
    save_model(path, trace(Tiny()), RECORD)
    file = read_model(path)
    write_model(path, file.tensors, {**(file.record or {}), **changes})
    assert refused(lambda: load_model(path, arch="tiny")) == (code, f"{path}: {reason}", hint)


def test_a_graph_that_does_not_fit_together(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    save_model(path, trace(Tiny()), RECORD)
    file = read_model(path)
    record: dict[str, Any] = file.record or {}
    record["graph"]["modules"]["conv"]["in_channels"] = 4
    write_model(path, file.tensors, record)
    code, message, hint = refused(lambda: load_model(path))
    assert (code, hint) == ("graph_invalid", DAMAGED)
    assert message.startswith(  # what follows is torch's wording
        f"{path}: the network's graph: it does not run on images of 8 pixels: "
    )


@pytest.mark.parametrize("target", ["operator.add", "operator.iadd"])
def test_a_graph_whose_tuples_grow(tmp_path: Path, target: str) -> None:
    """Doubled in 40 nodes a tuple would fill the memory of whoever opens the file."""
    path = tmp_path / "m.pt"
    save_model(path, trace(Tiny()), RECORD)
    file = read_model(path)
    record: dict[str, Any] = file.record or {}
    nodes, before = record["graph"]["nodes"], {"node": "size"}
    last = nodes.pop()
    nodes.append(
        {"name": "size", "op": "call_method", "target": "size", "args": [{"node": "x"}], "kwargs": {}}
    )
    for index in range(40):
        name = f"twice{index}"
        nodes.append(
            {"name": name, "op": "call_function", "target": target, "args": [before] * 2, "kwargs": {}}
        )
        before = {"node": name}
    write_model(path, file.tensors, {**record, "graph": {**record["graph"], "nodes": [*nodes, last]}})
    name = target.removeprefix("operator.")
    assert refused(lambda: load_model(path)) == (
        "graph_invalid",
        f"{path}: the network's graph: it does not run on images of 8 pixels: "
        f"{name} of something that is no tensor",
        DAMAGED,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"edge.scale": torch.tensor(math.nan)}, "a scale of edge is not a finite number above 0"),
        ({"edge.scale": torch.tensor(0.0)}, "a scale of edge is not a finite number above 0"),
        (
            {"edge.zero_point": torch.tensor(256, dtype=torch.int32)},
            "the zero point of edge is 256, not 0 to 255",
        ),
        (
            {"fc.weight.scale": torch.tensor([1.0, math.inf])},
            "a scale of fc is not a finite number above 0",
        ),
    ],
)
def test_integers_that_stand_for_no_number(tmp_path: Path, changes: dict[str, Tensor], reason: str) -> None:
    edge, fc = QuantizeEdge(), StaticInt8Linear(4, 2)
    layers = OrderedDict(conv=Tiny().conv, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), edge=edge, fc=fc)
    network = trace(nn.Sequential(layers))
    path = tmp_path / "m.pt"
    save_model(path, network, RECORD)
    load_model(path)
    file = read_model(path)
    write_model(path, file.tensors | changes, file.record or {})
    assert refused(lambda: load_model(path)) == ("model_scale_invalid", f"{path}: {reason}", REMAKE)


def test_weights_that_do_not_fit_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    save_model(path, trace(Tiny()), RECORD)
    file = read_model(path)
    write_model(path, file.tensors | {"conv.bias": torch.zeros(4, dtype=torch.int8)}, file.record or {})
    assert refused(lambda: load_model(path)) == (
        "model_does_not_fit",
        f"{path}: its weights do not fit its graph: conv.bias is int8 4, expected float32 4",
        "Name the architecture and stem that the weights belong to",
    )
