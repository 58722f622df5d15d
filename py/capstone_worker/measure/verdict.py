"""What a measured speed-up allows one to say."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["faster", "slower", "no_difference"]

MARGIN = 0.02
"""A difference below this share is none: neither a user nor another day's measurement would find it again."""


def verdict(low: float, high: float, margin: float = MARGIN) -> Verdict:
    """The verdict from the interval of the speed-up, never from its point.

    Faster when even ``low`` says that the original takes over ``margin`` longer; slower when even ``high``
    says so of the compressed model. Swapping the models swaps the verdict.

    Args:
        low: lower end of the interval of original over compressed latency, above 0.
        high: upper end, at least ``low``.
        margin: share of latency, at least 0.
    """
    if low > 1 + margin:
        return "faster"
    if high < 1 / (1 + margin):
        return "slower"
    return "no_difference"
