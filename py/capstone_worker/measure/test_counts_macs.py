import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer, resnet18

from capstone_worker.measure.counts import parameter_counts
from capstone_worker.measure.macs import macs
from capstone_worker.models import Int8Linear


def test_resnet18() -> None:
    """Parameters as torchvision documents them; 1,814,073,344 as its 1.81 GFLOPS, which are multiply-adds."""
    network = resnet18().eval()
    assert parameter_counts(network).params == 11_689_512
    assert macs(network, 224) == 1_814_073_344


def test_sparsity() -> None:
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0, 1, 0, 2], [0, 0, 3, 4]]))
        layer.bias.copy_(torch.tensor([0, 5]))
    assert parameter_counts(layer) == (10, 5)
    assert parameter_counts(layer).sparsity == 0.5


def test_integer_weights_are_parameters_and_scales_are_not() -> None:
    layer = Int8Linear(4, 2)
    layer.weight.copy_(torch.tensor([[0, 1, 0, 2], [0, 0, 3, 4]]))
    assert parameter_counts(nn.Sequential(nn.BatchNorm2d(3), layer)) == (6 + 10, 3 + 4)


def test_shared_weights_count_once() -> None:
    layer = nn.Linear(3, 3, bias=False)
    assert parameter_counts(nn.Sequential(layer, nn.ReLU(), layer)).params == 9


def test_vit() -> None:
    """By hand, attention's products of tokens with tokens included: 2 per layer, 5 x 5 tokens, 8 wide."""
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3
    ).eval()
    layer = 5 * 8 * 24 + 2 * 5 * 5 * 8 + 5 * 8 * 8 + 2 * 5 * 8 * 16
    assert macs(network, 32) == 4 * 3 * 16 * 16 * 8 + 2 * layer + 8 * 3
    weights = sum(p.numel() for p in network.parameters())
    assert parameter_counts(network).params == weights


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), 8 * 8 * 8 * 3 * 9),
        (nn.Conv2d(3, 6, (1, 3), stride=2, groups=3), 6 * 4 * 3 * 1 * 3),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), 1920),
        (nn.Sequential(nn.Flatten(), Int8Linear(192, 10)), 1920),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(inplace=True)), 0),
    ],
)
def test_macs_by_hand(layer: nn.Module, expected: int) -> None:
    assert macs(layer.eval(), 8) == expected
