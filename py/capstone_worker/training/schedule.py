"""The learning rate of each step."""

from __future__ import annotations

import math

from .config import TrainConfig

ONE_CYCLE_RISE = 0.3  # share of the steps
ONE_CYCLE_START = 1 / 25  # of lr
ONE_CYCLE_END = ONE_CYCLE_START / 1e4


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """The learning rate of step 0, 1, … epochs * steps_per_epoch - 1.

    - one_cycle: from lr/25 up to lr and down to lr/250000, both along a cosine; momentum stays. Smith and
      Topin 2019, arXiv 1708.07120, with the numbers of torch's OneCycleLR.
    - cosine: down to 0 along half a cosine. Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    - constant: lr.

    The last two rise linearly before, during warmup_epochs. Goyal et al. 2017, arXiv 1706.02677.
    """
    steps = config.epochs * steps_per_epoch
    warmup = config.warmup_epochs * steps_per_epoch
    if config.schedule == "one_cycle":
        peak = min((warmup or ONE_CYCLE_RISE * steps) - 1, steps - 1)
        if step < peak:
            return config.lr * _cosine(ONE_CYCLE_START, 1, step / peak)
        return config.lr * _cosine(1, ONE_CYCLE_END, (step - peak) / max(steps - 1 - peak, 1))
    if step < warmup:
        return config.lr * (step + 1) / (warmup + 1)
    if config.schedule == "cosine":
        return config.lr * _cosine(1, 0, (step - warmup) / (steps - warmup))
    return config.lr


def _cosine(start: float, end: float, share: float) -> float:
    """From start at share 0 to end at share 1, flat at both."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
