"""What chance alone can do to a difference: of accuracies over the same images, of latencies over blocks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special
from torch import Tensor

Interval = tuple[float, float]
Blocks = npt.NDArray[np.float64]

_TRIMMED = 0.2
"""Share of the rounds left out at each end: few disturbed ones decide nothing."""


def mcnemar_exact(a_correct: Tensor, b_correct: Tensor) -> float:
    """Two-sided p of the exact McNemar test: are two models equally often right on the same images?

    Only images that one model got right and the other wrong tell: under the null hypothesis each is a fair
    coin (McNemar 1947, Psychometrika 12; exact as a binomial test). 1 when there are none.

    Args:
        a_correct: (N,) bool, whether the first model was right.
        b_correct: (N,) bool, the second on the same images.
    """
    lost, gained = _discordant(a_correct, b_correct)
    if lost + gained == 0:
        return 1.0
    # scipy.special, and not binomtest of scipy.stats, whose import takes a second.
    return min(1.0, 2 * float(special.bdtr(min(lost, gained), lost + gained, 0.5)))


def wilson_interval(right: int, images: int, confidence: float = 0.99) -> Interval:
    """Interval of an accuracy, in percent (Wilson 1927, Journal of the American Statistical Association 22).

    Unlike the one of the normal distribution it holds near 0 and 100 %, and never leaves them.

    Args:
        right: images that were classified correctly, at most ``images``.
        images: at least 1.
        confidence: 0 to 1.
    """
    z2 = special.ndtri((1 + confidence) / 2) ** 2
    middle = (right + z2 / 2) / (images + z2)
    half = math.sqrt(z2 * (right * (images - right) / images + z2 / 4)) / (images + z2)
    # Rounding may leave 1e-18 where the formula says 0.
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == images else middle + half
    return 100 * low, 100 * high


def acc_drop_interval(a_correct: Tensor, b_correct: Tensor, confidence: float = 0.99) -> Interval:
    """Percentile interval of the paired bootstrap of accuracy(a) - accuracy(b), in percentage points.

    To resample N images with replacement is to draw N independent steps of +1 (only a right), -1 (only b
    right) or 0, each with its share among the images: multinomial counts, whose difference is the drop. The
    distribution of that sum is the N-fold convolution of one step's, so it is computed instead of sampled:
    what infinitely many resamples would give, without a seed. Swapping the models mirrors the interval.

    As for every bootstrap, models that are right on the very same images give (0, 0): there is nothing to
    resample, however few the images.

    Args:
        a_correct: (N,) bool, N at least 1.
        b_correct: (N,) bool, on the same images.
        confidence: 0 to 1.
    """
    lost, gained = _discordant(a_correct, b_correct)
    images = len(a_correct)
    # Index i of the circular arrays stands for a sum of i, or of i - (2 * images + 1) in their upper half.
    step = np.zeros(2 * images + 1)
    step[[1, -1]] = lost / images, gained / images
    step[0] = 1 - (lost + gained) / images
    chances = np.fft.irfft(np.fft.rfft(step) ** images, len(step))
    chances = np.roll(chances, images)  # of the sums -images … images
    tail = (1 - confidence) / 2
    low = int(np.argmax(np.cumsum(chances) >= tail)) - images
    high = images - int(np.argmax(np.cumsum(chances[::-1]) >= tail))
    return 100 * low / images, 100 * high / images


def paired_ratio(blocks_a: Blocks, blocks_b: Blocks) -> float:
    """How many times longer a takes than b: the ratios of a round's blocks, and of these the middle.

    Blocks of one round are timed within moments, so that what slows a machine down for longer cancels, as in
    duet benchmarking (Bulej et al. 2020, ICPE). The middle is the geometric mean of the ratios between the
    lowest and the highest fifth: few disturbed blocks do not move it, and all others count.

    Args:
        blocks_a: (rounds, calls) times above 0, in any unit.
        blocks_b: the same rounds, in the same unit.
    """
    middle, _, _ = trimmed_mean(_log_ratios(blocks_a, blocks_b))
    return math.exp(middle)


def ratio_interval(blocks_a: Blocks, blocks_b: Blocks, confidence: float = 0.99) -> Interval:
    """Interval of `paired_ratio`: Student's, of the trimmed mean of the rounds' log ratios (Yuen 1974).

    Calls near each other share what disturbs them, so a round counts once, however many calls its blocks
    have. Swapping the models gives the reciprocals. A bootstrap over rounds is wider or misses more, the more
    so the fewer they are: benchmarks/ratio_intervals.py.

    Args:
        blocks_a: (rounds, calls) times above 0, in any unit; at least 2 rounds.
        blocks_b: the same rounds, in the same unit.
        confidence: 0 to 1.
    """
    middle, error, freedom = trimmed_mean(_log_ratios(blocks_a, blocks_b))
    half = error * special.stdtrit(freedom, (1 + confidence) / 2)
    return math.exp(middle - half), math.exp(middle + half)


def _log_ratios(blocks_a: Blocks, blocks_b: Blocks) -> Blocks:
    """(rounds, calls) twice -> (rounds,)."""
    logs: Blocks = np.log(np.median(blocks_a, axis=1) / np.median(blocks_b, axis=1))
    return logs


def trimmed_mean(samples: Blocks) -> tuple[Blocks, Blocks, int]:
    """Means without the lowest and highest fifth, with their errors: Yuen 1974, Biometrika 61.

    Args:
        samples: (..., B), B at least 2.

    Returns:
        (...) means; (...) standard errors, those of all samples, where what was cut off counts as the next
        one that was kept; degrees of freedom.
    """
    ordered = np.sort(samples, axis=-1)
    cut = int(_TRIMMED * ordered.shape[-1])
    kept = ordered[..., cut : ordered.shape[-1] - cut]
    winsorized = np.clip(ordered, kept[..., :1], kept[..., -1:])
    squares = np.square(winsorized - winsorized.mean(axis=-1, keepdims=True)).sum(axis=-1)
    inner = kept.shape[-1]
    return kept.mean(axis=-1), np.sqrt(squares / (inner * (inner - 1))), inner - 1


def _discordant(a_correct: Tensor, b_correct: Tensor) -> tuple[int, int]:
    """Images that only a got right, and that only b got right."""
    return int((a_correct & ~b_correct).sum()), int((b_correct & ~a_correct).sum())
