"""Taps that only meet padding, left out while a network trains and put back at its end.

Their gradient is always 0, and still an optimizer reads and writes them: of torchvision's ResNet-18 at 32x32
they are 6.9 of 11.2 million weights. What is trained keeps its bits; what is put back is what weight decay
alone would have made of it.
"""

from __future__ import annotations

from torch import Tensor, nn

from .config import TrainConfig
from .optimizer import MOMENTUM
from .reached_taps import Reached, cut_to, reached_taps, set_kernel
from .schedule import learning_rate


class IdleTaps:
    """Of a network, which is without them from here to `put_back`."""

    def __init__(self, network: nn.Module, image_size: int) -> None:
        """Cut them away in place; initial values are kept."""
        self._cut: dict[str, tuple[Reached, Tensor, tuple[int, int]]] = {}
        for name, reached in reached_taps(network, image_size).items():
            module = _convolution(network, name)
            if module.weight.requires_grad:
                rows, columns = map(int, module.padding)
                self._cut[name] = (reached, module.weight.detach().clone(), (rows, columns))
                cut_to(module, reached)

    def put_back(self, network: nn.Module, factor: float) -> None:
        """Whole kernels again, in place.

        Args:
            network: the one they were cut from, or a copy of it.
            factor: that the initial values are multiplied with, see `decayed`.
        """
        for name, (reached, initial, padding) in self._cut.items():
            module = _convolution(network, name)
            whole = initial * factor
            reached.of(whole).copy_(module.weight.detach())
            set_kernel(module, whole, padding)


def decayed(config: TrainConfig, steps: int, steps_per_epoch: int, *, of_average: bool = False) -> float:
    """What that many steps make of a weight of 1 whose gradient is always 0; or of its moving average."""
    value, velocity, average = 1.0, 0.0, 1.0
    for step in range(steps):
        lr = learning_rate(config, step, steps_per_epoch)
        if config.optimizer == "adamw":
            value *= 1 - lr * config.weight_decay
        else:
            gradient = config.weight_decay * value
            velocity = MOMENTUM * velocity + gradient
            value -= lr * (gradient + MOMENTUM * velocity)
        average = value if step == 0 else config.ema_decay * average + (1 - config.ema_decay) * value
    return average if of_average else value


def _convolution(network: nn.Module, name: str) -> nn.Conv2d:
    module = network.get_submodule(name)
    assert isinstance(module, nn.Conv2d)
    return module
