"""With calls that move the clock themselves: who is the best, who is asked, and who is not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from ..report import Event, never_stop
from ..runtimes.runtime import Forward, Prepared
from . import best_original
from .best_original import EAGER, UNTIMED, BestOriginal, find_best_original
from .latency import alternate

BATCH = torch.zeros(1, 3, 8, 8)


class Candidates:
    """Networks that take so many ms; ``lossy`` of them lose accuracy."""

    def __init__(self, times_ms: dict[str, float], lossy: Iterable[str] = ()) -> None:
        self.calls = dict.fromkeys(times_ms, 0)
        self._now = 0
        self.asked: list[str] = []
        self._lossy = set(lossy)
        self._names: dict[Forward, str] = {}
        self.prepared = {name: Prepared(self._forward(name, ms), "float32") for name, ms in times_ms.items()}

    def _forward(self, name: str, ms: float) -> Callable[[Tensor], Tensor]:
        def forward(images: Tensor) -> Tensor:
            self.calls[name] += 1
            self._now += round(1e6 * ms) * (30 if name == "compiles" and self.calls[name] <= UNTIMED else 1)
            return images

        self._names[forward] = name
        return forward

    def loses_nothing(self, forward: Forward) -> bool:
        name = self._names[forward]
        self.asked.append(name)
        return name not in self._lossy

    def best(self) -> BestOriginal:
        events: list[Event] = []
        return find_best_original(
            self.prepared, BATCH, self.loses_nothing, events.append, never_stop, lambda: self._now
        )


@pytest.mark.usefixtures("cache")
def test_the_fastest_and_nobody_else_is_timed() -> None:
    candidates = Candidates({EAGER: 4, "slow": 3, "fast": 1})
    best = candidates.best()
    assert best.runtime == "fast"
    assert best.speedup == 4
    assert candidates.asked == ["fast"]
    assert candidates.calls["slow"] == UNTIMED + 2
    assert min(candidates.calls[EAGER], candidates.calls["fast"]) > 20


@pytest.mark.usefixtures("cache")
def test_one_that_loses_accuracy_does_not_shut_out_the_next() -> None:
    """bfloat16 may be twice as fast as the float32 that is the best without loss."""
    candidates = Candidates({EAGER: 4, "bfloat16": 0.5, "float32": 2}, lossy=["bfloat16"])
    best = candidates.best()
    assert best.runtime == "float32"
    assert best.speedup == 2
    assert candidates.asked == ["bfloat16", "float32"]
    assert candidates.calls["bfloat16"] == UNTIMED + 2


@pytest.mark.usefixtures("cache")
def test_one_that_compiles_in_its_first_calls_is_no_slow_one() -> None:
    candidates = Candidates({EAGER: 4, "compiles": 1, "other": 1.4})
    best = candidates.best()
    assert best == BestOriginal("compiles", 4, 4, 4)
    assert candidates.asked == ["compiles"]  # the fastest passed: nobody else is evaluated


@pytest.mark.usefixtures("cache")
def test_eager_itself(cache: Path) -> None:
    candidates = Candidates({EAGER: 1, "other": 1.3}, lossy=["other"])
    best = candidates.best()
    assert best == BestOriginal(EAGER, 1, 1, 1)
    assert best.noise is None


@pytest.mark.usefixtures("cache")
def test_rounds_are_added_for_the_ratio_to_the_fastest() -> None:
    with mock.patch.object(best_original, "alternate", wraps=alternate) as asked:
        Candidates({EAGER: 4, "fast": 1, "close": 1.1}).best()
        Candidates({EAGER: 1, "slow": 2}).best()
    assert [call.kwargs["pairs"] for call in asked.call_args_list] == [[(EAGER, "fast")], []]


@pytest.mark.parametrize(
    ("high", "noise"), [(2.4, None), (2.5, "best original unsteady: 2.00 to 2.50 times as fast as eager")]
)
def test_what_is_known_too_badly_is_called_noise(high: float, noise: str | None) -> None:
    assert BestOriginal("openvino float32", 2.2, 2.0, high).noise == noise
