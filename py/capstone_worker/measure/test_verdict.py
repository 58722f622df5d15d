import pytest

from capstone_worker.measure.verdict import Verdict, verdict


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.03, 1.10, "faster"),
        (1.02, 1.10, "no_difference"),  # not more than the margin
        (0.90, 1.50, "no_difference"),
        (1.00, 1.01, "no_difference"),
        (0.90, 0.99, "no_difference"),
        (0.50, 0.98, "slower"),
    ],
)
def test_verdict(low: float, high: float, expected: Verdict) -> None:
    assert verdict(low, high) == expected


def test_margin() -> None:
    assert verdict(1.03, 1.10, margin=0.05) == "no_difference"
    assert verdict(0.80, 0.99, margin=0) == "slower"
