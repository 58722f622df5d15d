"""With calls that move the clock themselves: who is asked, and who may be the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from ..report import Event, never_stop
from ..runtimes.runtime import Prepared
from .best_original import EAGER, UNTIMED, find_contenders

BATCH = torch.zeros(1, 3, 8, 8)


class Candidates:
    """Networks that take so many ms; ``lossy`` of them lose accuracy."""

    def __init__(self, times_ms: dict[str, float], lossy: Iterable[str] = ()) -> None:
        self.calls = dict.fromkeys(times_ms, 0)
        self._now = 0
        self.asked: list[str] = []
        self._lossy = set(lossy)
        self.prepared = {name: Prepared(self._forward(name, ms), "float32") for name, ms in times_ms.items()}

    def _forward(self, name: str, ms: float) -> Callable[[Tensor], Tensor]:
        def forward(images: Tensor) -> Tensor:
            self.calls[name] += 1
            self._now += round(1e6 * ms) * (30 if name == "compiles" and self.calls[name] <= UNTIMED else 1)
            return images

        return forward

    def loses_nothing(self, name: str) -> bool:
        self.asked.append(name)
        return name not in self._lossy

    def contenders(self) -> list[str]:
        events: list[Event] = []
        found = find_contenders(
            self.prepared, BATCH, self.loses_nothing, events.append, never_stop, lambda: self._now
        )
        assert events == [{"type": "phase", "phase": "find best original"}]
        assert min(self.calls.values()) >= UNTIMED + 2
        return found


@pytest.mark.parametrize(
    ("times_ms", "lossy", "contenders", "asked"),
    [
        ({EAGER: 4, "slow": 3, "fast": 1}, [], [EAGER, "fast"], ["fast"]),
        ({EAGER: 4, "slow": 1.6, "fast": 1, "close": 1.5}, [], [EAGER, "fast", "close"], ["fast"]),
        # bfloat16 may be twice as fast as the float32 that is the best without loss: it shuts nobody out
        (
            {EAGER: 4, "bfloat16": 0.5, "float32": 2},
            ["bfloat16"],
            [EAGER, "float32"],
            ["bfloat16", "float32"],
        ),
        # one that compiles in its first calls is no slow one
        ({EAGER: 4, "compiles": 1, "other": 1.4}, [], [EAGER, "compiles", "other"], ["compiles"]),
        ({EAGER: 1, "other": 1.3, "slow": 2}, [], [EAGER, "other"], [EAGER]),
    ],
)
@pytest.mark.usefixtures("cache")
def test_contenders(
    times_ms: dict[str, float], lossy: list[str], contenders: list[str], asked: list[str]
) -> None:
    candidates = Candidates(times_ms, lossy)
    assert candidates.contenders() == contenders
    assert candidates.asked == asked


@pytest.mark.usefixtures("cache")
def test_a_form_that_is_disturbed_for_a_moment_is_kept() -> None:
    """Longer than it is looked at: the second look tells."""
    candidates = Candidates({EAGER: 4, "close": 1, "fast": 1})
    forward, left = candidates.prepared["fast"].forward, [UNTIMED + 3]

    def disturbed(images: Tensor) -> Tensor:
        left[0] -= 1
        if left[0] > 0:
            for _ in range(9):
                forward(images)
        return forward(images)

    candidates.prepared["fast"] = Prepared(disturbed, "float32")
    assert candidates.contenders() == [EAGER, "close", "fast"]
