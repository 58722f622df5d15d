"""Against arithmetic by hand, against enumeration of every resample, and against simulation."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from capstone_worker.measure.intervals import (
    Blocks,
    acc_drop_interval,
    mcnemar_exact,
    paired_ratio,
    ratio_interval,
    wilson_interval,
)


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[Tensor, Tensor]:
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return torch.tensor(a), torch.tensor(b)


def every_resample(a: Tensor, b: Tensor, confidence: float) -> tuple[float, float]:
    """The bootstrap by its definition: all N^N equally likely resamples, and the quantiles of their drops."""
    steps = (a.int() - b.int()).tolist()
    images = len(steps)
    drops = Counter(sum(resample) for resample in itertools.product(steps, repeat=images))
    needed = (1 - confidence) / 2 * images**images
    below = itertools.accumulate(drops[drop] for drop in range(-images, images + 1))
    above = itertools.accumulate(drops[drop] for drop in range(images, -images - 1, -1))
    low = next(drop for drop, count in enumerate(below, -images) if count >= needed)
    high = images - next(index for index, count in enumerate(above) if count >= needed)
    return 100 * low / images, 100 * high / images


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (0, 5, 2 / 2**5),
        (6, 1, 2 * (1 + 7) / 2**7),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),
        (4, 4, 1.0),
    ],
)
def test_mcnemar_by_hand(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_exact(*outcomes(3, only_a, only_b, 2)) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    "cells", [(2, 2, 1, 2), (0, 5, 1, 0), (3, 0, 2, 1), (0, 3, 3, 0), (5, 1, 0, 0), (0, 7, 0, 0)]
)
def test_acc_drop_against_every_resample(cells: tuple[int, int, int, int], confidence: float) -> None:
    a, b = outcomes(*cells)
    assert acc_drop_interval(a, b, confidence) == pytest.approx(every_resample(a, b, confidence))


def test_acc_drop_against_sampling_images() -> None:
    """At the size of a real evaluation, where one image is 0.2 points: sampling agrees within one."""
    a, b = outcomes(430, 25, 10, 35)
    difference = a.int().numpy() - b.int().numpy()
    drawn = np.random.default_rng(0).integers(500, size=(20_000, 500))
    sampled = np.quantile(100 * difference[drawn].mean(axis=1), [0.005, 0.995])
    assert acc_drop_interval(a, b) == pytest.approx(sampled, abs=0.21)


def test_acc_drop_is_mirrored_when_the_models_change_places() -> None:
    a, b = outcomes(9_000, 150, 90, 760)
    low, high = acc_drop_interval(a, b)
    assert acc_drop_interval(b, a) == (-high, -low)
    assert low < 100 * (150 - 90) / 10_000 < high


def test_acc_drop_of_equal_models() -> None:
    a, b = outcomes(450, 0, 0, 50)
    assert acc_drop_interval(a, b) == (0, 0)


def test_ratio_of_constant_times() -> None:
    six, four = np.full((8, 3), 6.0), np.full((8, 3), 4.0)
    assert paired_ratio(six, four) == pytest.approx(1.5)
    assert ratio_interval(six, four) == pytest.approx((1.5, 1.5))


def test_ratio_of_blocks_that_drift_together() -> None:
    drift = np.linspace(1, 3, 8)[:, None] * np.ones((8, 5))
    assert paired_ratio(2 * drift, drift) == pytest.approx(2)
    assert ratio_interval(2 * drift, drift) == pytest.approx((2, 2))


def test_ratio_by_hand() -> None:
    """Of ten rounds two ratios at each end are left out; of a block its median counts."""
    ratios = np.array([0.01, 50, 1, 2, 1, 4, 2, 2, 70, 0.02])
    a = np.stack([ratios / 2, ratios, ratios * 9], axis=1)
    assert paired_ratio(a, np.ones((10, 3))) == pytest.approx((1 * 1 * 2 * 2 * 2 * 4) ** (1 / 6))


def noisy_pair(random: np.random.Generator, rounds: int) -> tuple[Blocks, Blocks]:
    """Equal models: what drifts for both, what disturbs one block, and now and then for long."""
    drift = np.exp(np.cumsum(random.normal(0, 0.05, (rounds, 1)), axis=0))
    a, b = drift * np.exp(random.normal(0, 0.03, (2, rounds, 1)) + random.gamma(0.3, 0.1, (2, rounds, 1)))
    return a, b


@pytest.mark.parametrize("rounds", [2, 8, 13, 20, 57])
def test_ratio_interval_is_that_of_scipy(rounds: int) -> None:
    """An end is where Yuen's test, against what does not vary, just does not refuse what was seen."""
    logs = np.random.default_rng(0).standard_t(2, rounds)
    for end in ratio_interval(np.exp(logs)[:, None], np.ones((rounds, 1))):
        off = logs - np.log(end)
        assert stats.ttest_ind(off, np.zeros(rounds), equal_var=False, trim=0.2).pvalue == pytest.approx(0.01)


def test_ratio_interval_is_the_reciprocal_when_the_models_change_places() -> None:
    a, b = noisy_pair(np.random.default_rng(0), 20)
    low, high = ratio_interval(a, b)
    assert ratio_interval(b, a) == pytest.approx((1 / high, 1 / low))
    assert low < paired_ratio(a, b) < high


@pytest.mark.parametrize("rounds", [8, 20])
def test_ratio_interval_holds_the_truth(rounds: int) -> None:
    """Equal models: about 1 in 100 measurements miss a ratio of 1, at most 2 in 100 here."""
    random = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        low, high = ratio_interval(*noisy_pair(random, rounds))
        missed += not low <= 1 <= high
    assert missed <= 8


@pytest.mark.parametrize(
    ("right", "images"), [(0, 1), (1, 1), (0, 500), (500, 500), (441, 500), (9_339, 10_000)]
)
def test_wilson_against_its_definition(right: int, images: int) -> None:
    """An end is the accuracy whose normal test, with its own variance, just does not refuse what was seen."""
    low, high = (end / 100 for end in wilson_interval(right, images))
    z = 2.5758293035489004
    for end in (low, high):
        if 0 < end < 1:
            assert abs(right / images - end) == pytest.approx(z * (end * (1 - end) / images) ** 0.5)
    assert low == 0 if right == 0 else low > 0
    assert high == 1 if right == images else high < 1
