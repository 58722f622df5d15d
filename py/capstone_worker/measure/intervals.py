"""What chance alone can do to a difference: of accuracies over the same images, of latencies over blocks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special
from torch import Tensor

Interval = tuple[float, float]

_RESAMPLES = 4000
_DRAWN_AT_ONCE = 200
_SEED = 0  # of the resampling alone: the same times give the same interval


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


def ratio_interval(
    blocks_a: npt.NDArray[np.float64], blocks_b: npt.NDArray[np.float64], confidence: float = 0.99
) -> Interval:
    """Interval of median(a) / median(b) by a bootstrap over pairs of blocks.

    Calls near each other share what disturbs them, so whole blocks are resampled, not calls; and block i of a
    together with block i of b, timed next to it, so that a drift common to both cancels. A percentile
    interval of few blocks is too narrow, as a normal one is beside Student's: it is widened to the levels of
    Hesterberg 2015 (The American Statistician 69, "expanded percentile").

    Args:
        blocks_a: (blocks, calls) times above 0, in any unit; at least 2 blocks.
        blocks_b: the same shape, in the same unit.
        confidence: 0 to 1.
    """
    blocks = len(blocks_a)
    drawn = np.random.default_rng(_SEED).integers(blocks, size=(_RESAMPLES, blocks))
    ratios = _medians(blocks_a, drawn) / _medians(blocks_b, drawn)
    t = special.stdtrit(blocks - 1, (1 - confidence) / 2)
    tail = special.ndtr(t * math.sqrt(blocks / (blocks - 1)))
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return float(low), float(high)


def _medians(blocks: npt.NDArray[np.float64], drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """blocks (B, calls), drawn (R, B) indices -> (R,) medians over all calls of the drawn blocks.

    Some at a time: 4,000 draws of 500 blocks of 50 calls would be 0.8 GB.
    """
    parts = np.array_split(drawn, math.ceil(len(drawn) / _DRAWN_AT_ONCE))
    return np.concatenate([np.median(blocks[part].reshape(len(part), -1), axis=1) for part in parts])


def _discordant(a_correct: Tensor, b_correct: Tensor) -> tuple[int, int]:
    """Images that only a got right, and that only b got right."""
    return int((a_correct & ~b_correct).sum()), int((b_correct & ~a_correct).sum())
