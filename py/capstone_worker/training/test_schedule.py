"""torch's own schedulers are the judges."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from capstone_worker.training.config import TrainConfig
from capstone_worker.training.schedule import learning_rate

EPOCHS, STEPS, LR = 4, 25, 0.1


def rates(config: TrainConfig) -> list[float]:
    config = replace(config, epochs=EPOCHS, lr=LR)
    return [learning_rate(config, step, STEPS) for step in range(EPOCHS * STEPS)]


def stepped(scheduler: LRScheduler) -> list[float]:
    found = []
    for _ in range(EPOCHS * STEPS):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step() if len(found) < EPOCHS * STEPS else None
    return found


@pytest.fixture
def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)


@pytest.mark.parametrize("warmup_epochs, share", [(0.0, 0.3), (1.0, 0.25), (0.5, 0.125)])
def test_one_cycle(config: TrainConfig, sgd: torch.optim.SGD, warmup_epochs: float, share: float) -> None:
    judge = OneCycleLR(sgd, LR, total_steps=EPOCHS * STEPS, pct_start=share, cycle_momentum=False)
    assert rates(replace(config, warmup_epochs=warmup_epochs)) == pytest.approx(stepped(judge))


def test_cosine(config: TrainConfig, sgd: torch.optim.SGD) -> None:
    judge = CosineAnnealingLR(sgd, EPOCHS * STEPS)
    assert rates(replace(config, schedule="cosine")) == pytest.approx(stepped(judge))


def test_constant_after_warmup(config: TrainConfig) -> None:
    found = rates(replace(config, schedule="constant", warmup_epochs=0.2))
    assert found == pytest.approx([LR / 6, LR * 2 / 6, LR * 3 / 6, LR * 4 / 6, LR * 5 / 6, *[LR] * 95])


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("warmup_epochs", [0.0, 0.01, 1.0, 2.0])
def test_one_epoch_of_one_step(
    config: TrainConfig, schedule: Literal["one_cycle", "cosine", "constant"], warmup_epochs: float
) -> None:
    short = replace(config, epochs=1, schedule=schedule, warmup_epochs=warmup_epochs, lr=LR)
    assert 0 < learning_rate(short, 0, 1) <= LR
