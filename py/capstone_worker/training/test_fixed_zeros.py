from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .fake_quantize import round_weights, settle
from .fixed_zeros import fix_zeros


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.conv(images).flatten(2).transpose(1, 2)
        mixed: Tensor = self.fc(self.attention(tokens, tokens, tokens)[0].mean(1))
        return mixed


def trained(*, bits: int | None) -> tuple[dict[str, Tensor], nn.Module]:
    """Half of the weights zeroed, the others trained for a few steps: where the zeros were, the network."""
    torch.manual_seed(0)
    network = Attentive()
    matrices = {name: p.detach() for name, p in network.named_parameters() if p.dim() > 1}
    for weight in matrices.values():
        weight.masked_fill_(torch.rand_like(weight) < 0.5, 0.0)
    zeros = {name: weight == 0 for name, weight in matrices.items()}
    fix_zeros(network)
    if bits:
        round_weights(network, bits)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(network(torch.randn(16, 3, 8, 8)), torch.randint(5, (16,))).backward()
        optimizer.step()
    settle(network)
    return zeros, network


def test_zeros_stay_and_the_others_are_trained() -> None:
    zeros, network = trained(bits=None)
    torch.manual_seed(0)
    before = dict(Attentive().named_parameters())
    assert len(zeros) == 4
    for name, weight in network.named_parameters():
        if name in zeros:
            assert torch.equal(weight == 0, zeros[name])
        assert weight.shape == before[name].shape
        kept = weight != 0
        assert not torch.equal(weight[kept], before[name][kept])


def test_with_weights_of_few_bits() -> None:
    zeros, network = trained(bits=4)
    for name, weight in network.named_parameters():
        if name in zeros:
            assert torch.all(weight[zeros[name]] == 0)
