"""The step `prune_depth` and the blocks it finds.

The judges are the networks built by hand without a block, and a search that tries what there is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlock
from torchvision.models.regnet import ResBottleneckBlock
from torchvision.models.resnet import Bottleneck

from ..data.cache import Dataset
from ..errors import Stopped, UserError
from ..graph.trace import trace
from ..measure.counts import parameter_counts
from ..measure.macs import macs
from ..models.build import build
from ..models.file import load_model, save_model
from ..models.vit import VisionTransformer
from ..report import Event
from ..training.batches import normalized
from .base import Context
from .conftest import at
from .prune_depth import PruneDepth
from .residual_blocks import residual_blocks, without_blocks


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ignore(event: Event) -> None:
    pass


def context(size: int = 32, count: int = 60) -> Context:
    """With random images of 10 classes, fewer than the step takes: it measures on all of them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 10
    data = Dataset(
        images, labels, images[:1], labels[:1], tuple("0123456789"), (0.5,) * 3, (0.25,) * 3, "made up"
    )
    return replace(at(size), load=lambda: data)


def loss(network: nn.Module, given: Context) -> float:
    data = given.load()
    with torch.inference_mode():
        logits = network.eval()(normalized(data.train_images, data.mean, data.std))
        return float(F.cross_entropy(logits, data.train_labels))


def built(arch: str, seed: int = 0) -> nn.Module:
    """With statistics of batch norm, and shifts, that are not those of a fresh network."""
    network = build(arch, num_classes=10, stem="cifar", image_size=32, seed=seed)
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 1.0)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean = torch.randn(module.num_features) / 10
    return network.eval()


def by_hand(network: nn.Module, *blocks: str) -> nn.Module:
    """A ResNet whose stages do not have these blocks, such as ``layer1.1``."""
    shallow = copy.deepcopy(network)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        if hasattr(shallow, stage):
            layers = getattr(shallow, stage).named_children()
            kept = (layer for name, layer in layers if f"{stage}.{name}" not in blocks)
            setattr(shallow, stage, nn.Sequential(*kept))
    return shallow


REMOVABLE = {
    "resnet18": ["layer1.0", "layer1.1", "layer2.1", "layer3.1", "layer4.1"],
    "resnet20": ["layer1.0", "layer1.1", "layer1.2", "layer2.1", "layer2.2", "layer3.1", "layer3.2"],
}


@pytest.mark.parametrize("arch", REMOVABLE)
def test_each_block_of_a_resnet_and_all_together(arch: str) -> None:
    network = built(arch)
    traced = trace(network)
    blocks = residual_blocks(traced, 32)
    assert [block.name for block in blocks] == REMOVABLE[arch]
    images = torch.randn(2, 3, 32, 32)
    before = traced(images)
    for gone in [[], *([block] for block in blocks), blocks, blocks[:2], blocks[1::2]]:
        pruned = without_blocks(traced, gone)
        judge = by_hand(network, *(block.name for block in gone))
        assert torch.equal(pruned(images), judge(images))
        assert macs(pruned, 32) == macs(judge, 32)
        assert parameter_counts(pruned) == parameter_counts(judge)
        assert len(pruned.state_dict()) == len(judge.state_dict())
        assert torch.equal(traced(images), before), "the given network was changed"


def is_residual(module: nn.Module) -> bool:
    """As torchvision's own blocks say it."""
    if isinstance(module, Bottleneck):
        return module.downsample is None
    if isinstance(module, ResBottleneckBlock):
        return module.proj is None
    return isinstance(module, CNBlock) or getattr(module, "use_res_connect", False)


@pytest.mark.parametrize(
    "arch",
    ["resnet50", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny"],
)
def test_blocks_of_other_families(arch: str) -> None:
    """The judge is the network in which the block's module does nothing."""
    network = build(arch, num_classes=10, stem="imagenet", image_size=32, seed=0).eval()
    places = [name for name, module in network.named_modules() if is_residual(module)]
    traced = trace(network)
    blocks = residual_blocks(traced, 32)
    assert len(blocks) == len(places)
    assert all(f"{block.name}.".startswith(f"{name}.") for block, name in zip(blocks, places, strict=True))
    images = torch.randn(2, 3, 32, 32)
    for gone in (blocks[-1:], blocks):
        judge = copy.deepcopy(network)
        for name in places[-len(gone) :]:
            parent, _, last = name.rpartition(".")
            setattr(judge.get_submodule(parent), last, nn.Identity())
        with torch.no_grad():
            assert torch.equal(without_blocks(traced, gone)(images), judge(images))


@pytest.mark.parametrize("arch", ["vgg11_bn", "densenet121", "shufflenet_v2_x1_0", "squeezenet1_1"])
def test_families_without_blocks(arch: str) -> None:
    with torch.device("meta"):
        network = trace(build(arch, num_classes=10, stem="imagenet", image_size=32, seed=0).eval())
        assert residual_blocks(network, 32) == []


def test_a_relu_after_a_relu_goes_and_training_goes_on() -> None:
    traced = trace(built("resnet20"))
    pruned = without_blocks(traced, residual_blocks(traced, 32)[:3])
    assert (
        sum(isinstance(pruned.get_submodule(str(node.target)), nn.ReLU) for node in calls(pruned)) == 1 + 12
    )
    pruned.train()(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(weight.grad is not None for weight in pruned.parameters())


def calls(network: fx.GraphModule) -> list[fx.Node]:
    return [node for node in network.graph.nodes if node.op == "call_module"]


def test_the_first_to_go_is_the_least_missed() -> None:
    """The judge leaves out each block by hand; all have the same number of multiplications."""
    network, given = built("resnet20"), context()
    losses = {name: loss(by_hand(network, name), given) for name in REMOVABLE["resnet20"]}
    traced = trace(network)
    applied = PruneDepth("macs", 0.1).apply(traced, given, ignore)
    best = min(losses, key=losses.__getitem__)
    judge = by_hand(network, best)
    assert applied.record == {
        "step": "prune_depth",
        "target": "macs",
        "ratio": 0.1,
        "blocks": [best],
        "macs_before": macs(network, 32),
        "macs_after": macs(judge, 32),
        "params_before": parameter_counts(network).params,
        "params_after": parameter_counts(judge).params,
    }
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(applied.network(images), judge(images))
    assert not applied.network.training


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_rest_are_measured_anew(seed: int) -> None:
    network, given = built("resnet20", seed), context()
    gone: list[str] = []
    while macs(by_hand(network, *gone), 32) > 0.6 * macs(network, 32):
        left = [name for name in REMOVABLE["resnet20"] if name not in gone]
        gone.append(min(left, key=lambda name: loss(by_hand(network, *gone, name), given)))
    kept_by_chance = PruneDepth("macs", 0.4).apply(trace(network), given, ignore)
    assert kept_by_chance.record["blocks"] == gone


def test_the_result_shares_nothing_with_the_given_network_and_survives_a_file(tmp_path: Path) -> None:
    traced = trace(built("resnet20"))
    before = {name: tensor.clone() for name, tensor in traced.state_dict().items()}
    pruned = PruneDepth("params", 0.3).apply(traced, context(), ignore).network
    assert parameter_counts(pruned).params <= 0.7 * parameter_counts(traced).params
    record = {"model": {"arch": "resnet20", "num_classes": 10, "image_size": 32}}
    save_model(tmp_path / "m.pt", pruned, record)
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(load_model(tmp_path / "m.pt").network(images), pruned(images))
    with torch.no_grad():
        for tensor in pruned.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in traced.state_dict().items())


class Block(nn.Module):
    """x + f(x), f as costly as it is wide."""

    def __init__(self, width: int, strength: float) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(8, width, 1), nn.Conv2d(width, 8, 1)
        self.wide.weight.data *= strength

    def forward(self, x: Tensor) -> Tensor:
        inside: Tensor = self.wide(self.narrow(x))
        return x + inside


def test_what_proves_unnecessary_is_put_back() -> None:
    """The cheap block goes first, for what it saves; then the wide one has to, and alone it is enough."""
    torch.manual_seed(0)
    blocks = nn.Sequential(Block(40, 0.25), Block(60, 1.5))
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1), blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )
    network[4].weight.data *= 20
    given = context(4)
    data = given.load()
    said = network.eval()(normalized(data.train_images, data.mean, data.std))
    given = replace(given, load=lambda: replace(data, train_labels=said.argmax(1)))

    def without(*names: int) -> nn.Module:
        fewer = copy.deepcopy(network)
        for name in names:
            fewer[1][name] = nn.Identity()
        return fewer

    now, cheap, wide, both = (loss(without(*names), given) for names in ((), (0,), (1,), (0, 1)))
    saved = [sum(p.numel() for p in block.parameters()) for block in blocks]
    assert 0 < (cheap - now) / saved[0] < (wide - now) / saved[1]
    assert wide < both
    applied = PruneDepth("params", 0.5).apply(trace(network), given, ignore)
    assert applied.record["blocks"] == ["1.1"]


Wiring = Callable[[Any, Tensor], Any]


class Wired(nn.Module):
    """An image through a convolution and whatever is wired behind it."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.one, self.two = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.one.weight.data *= 4
        self.relu, self.down = nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)
        self.wiring = wiring

    def forward(self, images: Tensor) -> Tensor:
        return torch.flatten(self.wiring(self, self.stem(images)), 1)


def a_branch_used_twice(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    y = net.one(x)
    return torch.cat([x + y, y])


def a_branch_that_writes_into_the_skip(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return net.one(net.relu(x)) + x


def another_shape(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return x + F.adaptive_avg_pool2d(net.one(x), 1)


def a_shortcut_with_weights(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return net.one(x) + net.down(x)


def scaled(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return torch.add(x, net.one(x), alpha=2)


def twice_itself(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return x + x


@pytest.mark.parametrize(
    "wiring",
    [
        a_branch_used_twice,
        a_branch_that_writes_into_the_skip,
        another_shape,
        a_shortcut_with_weights,
        scaled,
        twice_itself,
    ],
)
def test_what_is_no_block(wiring: Wiring) -> None:
    assert residual_blocks(trace(Wired(wiring).eval()), 8) == []


def test_a_network_without_blocks_is_refused() -> None:
    vgg = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(8 * 9, 10)),
    )
    with pytest.raises(UserError) as caught:
        PruneDepth("macs", 0.5).apply(trace(vgg), at(8), ignore)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "no_residual_block",
        "prune_depth: the network has no residual block that could be removed",
        "Choose another step for it: this one takes what computes x + f(x) of one shape",
    )


def overwritten(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    y = net.one(x)
    y += x
    return net.relu(y) + x


def overwritten_by_hand(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return x.relu() + x


def overwritten_by_a_function(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    y = F.relu(net.one(x) + x, inplace=True)
    y += net.two(x)
    return y - x


def overwritten_by_a_function_by_hand(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return x.relu() + net.two(x) - x


def summed_up(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    x += net.one(x)
    x += net.two(x)
    return x


def summed_up_by_hand(net: Wired, x: Tensor) -> Any:  # noqa: ANN401
    return x + net.two(x)


@pytest.mark.parametrize(
    ("wiring", "judge"),
    [
        (overwritten, overwritten_by_hand),
        (overwritten_by_a_function, overwritten_by_a_function_by_hand),
        (summed_up, summed_up_by_hand),
    ],
)
def test_nothing_writes_into_the_skip_afterwards(wiring: Wiring, judge: Wiring) -> None:
    network = trace(Wired(wiring).eval())
    block = residual_blocks(network, 8)[0]
    images = torch.randn(2, 3, 8, 8)
    pruned, wanted = without_blocks(network, [block]), Wired(judge).eval()
    assert torch.equal(pruned(images), wanted(images))
    pruned(images).sum().backward()


def test_the_image_itself_is_not_overwritten() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.relu(self.conv(images) + images)
            return logits

    network = trace(First().eval())
    images = torch.randn(2, 3, 4, 4)
    kept = images.clone()
    assert torch.equal(without_blocks(network, residual_blocks(network, 4))(images), kept.relu())
    assert torch.equal(images, kept)


def test_a_block_within_a_block() -> None:
    network = trace(Wired(overwritten).eval())
    inner, outer = residual_blocks(network, 8)
    assert (inner.name, outer.name) == ("add", "add_1")
    images = torch.randn(2, 3, 8, 8)
    for gone in ([outer], [inner, outer]):
        pruned = without_blocks(network, gone)
        assert torch.equal(pruned(images), torch.flatten(network.stem(images), 1))
        assert [name for name, _ in pruned.named_children()] == ["stem"]


def test_halves_of_a_transformers_layers() -> None:
    """The judge is the network whose branch ends in zeros: x + 0 is x."""
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=64, mlp_dim=256, num_classes=10
    ).eval()
    traced = trace(network)
    blocks = residual_blocks(traced, 32)
    layer = "encoder.layers.encoder_layer_{}.ln_{}"
    assert [block.name for block in blocks] == [layer.format(at, of) for at in (0, 1) for of in (1, 2)]
    layers = network.encoder.layers
    images = torch.randn(2, 3, 32, 32)
    for block, last in zip(
        blocks,
        (half for it in layers for half in (it.self_attention.out_proj, it.mlp[3])),
        strict=True,
    ):
        kept = [last.weight.clone(), last.bias.clone()]
        with torch.no_grad():
            last.weight.zero_(), last.bias.zero_()
            wanted = network(images)
            last.weight.copy_(kept[0]), last.bias.copy_(kept[1])
            assert torch.equal(without_blocks(traced, [block])(images), wanted)


@pytest.mark.parametrize(
    ("target", "ratio", "message"),
    [
        ("depth", 0.5, "prune_depth, target: expected macs or params, found 'depth'"),
        ("macs", 0, "prune_depth, ratio: expected a number above 0 and below 1, found 0"),
        ("macs", 1, "prune_depth, ratio: expected a number above 0 and below 1, found 1"),
    ],
)
def test_settings_out_of_range(target: Any, ratio: float, message: str) -> None:  # noqa: ANN401
    with pytest.raises(UserError) as caught:
        PruneDepth(target, ratio)
    assert (caught.value.code, caught.value.message) == ("step_invalid", message)


@pytest.mark.parametrize(
    ("target", "ratio", "most"), [("macs", 0.9, 0.809), ("params", 0.75, 0.730), ("macs", 0.81, 0.809)]
)
def test_how_far_it_would_go(target: Any, ratio: float, most: float) -> None:  # noqa: ANN401
    """Refused before any image is asked for."""
    network = built("resnet20")
    judge = by_hand(network, *REMOVABLE["resnet20"])
    sizes = [
        macs(it, 32) if target == "macs" else sum(p.numel() for p in it.parameters())
        for it in (network, judge)
    ]
    assert most <= 1 - sizes[1] / sizes[0] < most + 0.001
    with pytest.raises(UserError) as caught:
        PruneDepth(target, ratio).apply(trace(network), at(32), ignore)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "target_not_reachable",
        f"prune_depth, ratio: expected at most {most}, which is the share of the {target} in the network's "
        f"7 removable blocks, found {ratio}",
        "Choose a smaller ratio, or combine it with another step",
    )


def test_a_network_that_diverged_is_refused() -> None:
    network = built("resnet20")
    network.fc.weight.data[0, 0] = float("nan")
    with pytest.raises(UserError) as caught:
        PruneDepth("macs", 0.5).apply(trace(network), context(), ignore)
    assert (caught.value.code, caught.value.message) == (
        "weights_not_finite",
        "prune_depth: the network's loss on its training images is not a finite number",
    )


def test_progress_and_a_stop() -> None:
    events: list[Event] = []
    traced = trace(built("resnet20"))
    PruneDepth("macs", 0.2).apply(traced, context(), events.append)
    assert {event["type"] for event in events} == {"progress"}
    assert [(event["done"], event["total"], event["unit"]) for event in events[:13]] == [
        (done, 13, "networks") for done in range(1, 14)
    ]
    asked = iter(range(100))
    with pytest.raises(Stopped):
        PruneDepth("macs", 0.2).apply(
            traced, replace(context(), should_stop=lambda: next(asked) == 5), ignore
        )
    assert next(asked) == 6
