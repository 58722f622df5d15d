"""Folding against the network as it was, in float64."""

import copy

import torch
from torch import nn

from ..graph.trace import trace
from .fold_batch_norm import fold_batch_norms


def test_two_batch_norms_behind_one_convolution_are_both_folded() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 3)
    )
    images = torch.randn(8, 3, 4, 4, dtype=torch.float64)
    network.double()(3 * images + 1)  # statistics that are not those of fresh batch norms
    before = trace(network.eval())
    folded = copy.deepcopy(before)
    assert fold_batch_norms(folded) == 2
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), before(images), rtol=0, atol=1e-12)
