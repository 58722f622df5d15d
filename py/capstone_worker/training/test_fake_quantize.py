from collections.abc import Callable

import pytest
import torch
from torch import nn

from capstone_worker.training.config import TrainConfig
from capstone_worker.training.fake_quantize import round_weights, settle
from capstone_worker.training.optimizer import make_optimizer


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_lie_on_a_grid_of_their_channel(new_network: Callable[[], nn.Module], bits: int) -> None:
    network = new_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    round_weights(network, bits)
    settle(network)
    assert sorted(network.state_dict()) == sorted(before)
    largest = 2 ** (bits - 1) - 1
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            scale = module.weight.detach().abs().flatten(1).amax(1) / largest
            integers = (module.weight.detach().flatten(1) / scale[:, None]).round()
            assert integers.abs().amax(1).eq(largest).all()
            torch.testing.assert_close(integers * scale[:, None], module.weight.detach().flatten(1))
    error = (network.get_parameter("0.weight") - before["0.weight"]).abs().flatten(1).amax(1)
    assert (error <= before["0.weight"].abs().flatten(1).amax(1) / largest / 2 * 1.001).all()


def test_a_channel_of_zeros_stays() -> None:
    layer = nn.Sequential(nn.Conv2d(3, 2, 1))
    nn.init.zeros_(layer[0].weight)
    round_weights(layer, 4)
    settle(layer)
    assert layer[0].weight.eq(0).all()


def test_the_gradient_passes_the_rounding_and_decay_holds(
    new_network: Callable[[], nn.Module], config: TrainConfig
) -> None:
    network = new_network()
    round_weights(network, 4)
    network.eval()(torch.randn(2, 3, 32, 32)).sum().backward()
    decayed, others = make_optimizer(network, config).param_groups
    kernels = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(decayed["params"]) == len(kernels)
    assert all(parameter.grad.abs().sum() > 0 for parameter in decayed["params"])
    assert all(parameter.dim() == 1 for parameter in others["params"])
