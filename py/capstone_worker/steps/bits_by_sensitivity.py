"""How few bits each layer can do with: those that matter least go first, as far as a budget lets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

FEWEST, MOST = 4, 8


@dataclass(frozen=True)
class Chosen:
    """The bits of each layer, and the damage measured with them."""

    bits: dict[str, int]
    damage: float


def choose_bits(
    layers: Mapping[str, int], damage: Callable[[Mapping[str, int]], float], budget: float
) -> Chosen:
    """The bits of each layer, 4 to 8, with a damage within the budget; 8 everywhere where none is.

    Each layer is tried alone at 4 bits. Each bit more is taken to leave a quarter of the damage, as it does
    of the square of a rounding error, so that one trial for each layer orders all steps from 8 bits down:
    those that save most bits for the damage they add come first. How far along that order the budget reaches
    is then measured with all layers together, by halving: damages of layers do not simply add up.

    Args:
        layers: how many weights each has.
        damage: of a network whose layers have these bits, those not named being as they were; at least 0.
            NaN is beyond any budget.
        budget: the most that is allowed.
    """
    alone = {name: damage({name: FEWEST}) for name in layers}
    steps = []
    for place, (name, weights) in enumerate(layers.items()):
        for bits in range(MOST - 1, FEWEST - 1, -1):
            added = alone[name] * (4.0 ** (FEWEST - bits) - 4.0 ** (FEWEST - bits - 1))
            steps.append((added / max(weights, 1), place, -bits, name))
    steps.sort()

    def after(count: int) -> dict[str, int]:
        bits = dict.fromkeys(layers, MOST)
        for *_, negative, name in steps[:count]:
            bits[name] = -negative
        return bits

    within, beyond = 0, len(steps) + 1
    measured: dict[int, float] = {0: damage(after(0))}
    while beyond - within > 1:
        middle = (within + beyond) // 2
        measured[middle] = damage(after(middle))
        if measured[middle] <= budget:
            within = middle
        else:
            beyond = middle
    return Chosen(after(within), measured[within])


def divergence(expected: Tensor, found: Tensor) -> float:
    """Mean Kullback-Leibler divergence in nats of two networks' answers, logits (N, classes) each."""
    one, other = (logits.double().log_softmax(1) for logits in (expected, found))
    return float((one.exp() * (one - other)).sum(1).mean().clamp(min=0))
