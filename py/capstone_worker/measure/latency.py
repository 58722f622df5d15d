"""How long two models take for the same work, timed so that what disturbs one disturbs the other.

Both run in this process in alternating blocks, ABBA: a clock that slows down, or a neighbour who wakes up,
meets both, and each is as often the first of a pair as the second. Fast calls take about a second in all;
slow ones get fewer blocks, down to a number below which an interval means little:

    one call of each   pairs of blocks   timed calls in a block   in all
    1 ms               20                49                       1 s
    20 ms              20                1                        0.8 s
    0.3 s              20                1                        6 s
    1 s                8                 1                        8 s
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Stopped
from ..report import ShouldStop, never_stop
from .exclusive import exclusive
from .intervals import ratio_interval
from .verdict import Verdict, verdict

Call = Callable[[], object]
Times = npt.NDArray[np.float64]
Clock = Callable[[], int]

WARM_UP_ROUNDS = 3  # a scripted network is only optimised after two runs
WARM_UP_S = 0.2
BUDGET_S = 1.0
LIMIT_S = 6.0
MIN_PAIRS = 8
MAX_PAIRS = 20
MAX_CALLS = 50
COLD_BELOW_S = 0.1
"""After a switch the caches hold the other model's weights: a few ms, lost in longer pairs of calls."""

STEADY_SPREAD = 0.15


@dataclass(frozen=True)
class Latency:
    """Of one call, in milliseconds: median, 90th percentile and mean over all timed calls."""

    p50_ms: float
    p90_ms: float
    mean_ms: float


@dataclass(frozen=True)
class Comparison:
    """Two models timed against each other.

    Attributes:
        original: its latency.
        compressed: its latency.
        speedup: median of the original over median of the compressed, above 1 where compressing gained.
        low: lower end of the 99 % interval of the speed-up.
        high: upper end.
        verdict: from the interval and the margin of `verdict`.
        samples: timed calls of each model.
        noise: what disturbed the measurement, in words; None where nothing was seen.
    """

    original: Latency
    compressed: Latency
    speedup: float
    low: float
    high: float
    verdict: Verdict
    samples: int
    noise: str | None


class Schedule(NamedTuple):
    """``pairs`` of blocks; in each block ``untimed`` calls, then ``timed`` ones."""

    pairs: int
    untimed: int
    timed: int


def compare(
    original: Call,
    compressed: Call,
    *,
    should_stop: ShouldStop = never_stop,
    clock: Clock = time.perf_counter_ns,
) -> Comparison:
    """Time two calls against each other, with this machine's other measurements held off.

    Args:
        original: runs the original once on a batch it already has; returns when the result is there.
        compressed: the same work in the compressed model.
        should_stop: asked before every block.
        clock: nanoseconds, monotonic.

    Raises:
        Stopped: asked to stop.
    """
    calls = (original, compressed)
    with exclusive(should_stop), _no_garbage_collection():
        load = os.getloadavg()[0]
        schedule = plan_blocks(_warm_up(calls, should_stop, clock))
        blocks = _time_blocks(calls, schedule, should_stop, clock)
    speedup = float(np.median(blocks[0]) / np.median(blocks[1]))
    low, high = ratio_interval(*blocks)
    return Comparison(
        original=_latency(blocks[0]),
        compressed=_latency(blocks[1]),
        speedup=speedup,
        low=low,
        high=high,
        verdict=verdict(low, high),
        samples=blocks[0].size,
        noise=noise(*blocks, load, os.cpu_count() or 1),
    )


def plan_blocks(pair_s: float) -> Schedule:
    """How to spend the time, given the seconds that one call of each model takes together."""
    untimed = 1 if pair_s < COLD_BELOW_S else 0
    timed = min(max(1, int(BUDGET_S / MAX_PAIRS / pair_s) - untimed), MAX_CALLS)
    affordable = int(LIMIT_S / pair_s / (untimed + timed))
    pairs = min(max(affordable, MIN_PAIRS), MAX_PAIRS)
    return Schedule(pairs - pairs % 2, untimed, timed)


def noise(original: Times, compressed: Times, load: float, cpus: int) -> str | None:
    """What disturbed a measurement, in words; None where nothing was seen.

    Args:
        original: (blocks, calls) times.
        compressed: likewise.
        load: tasks that wanted to run on this machine, on average over the minute before. This process' own
            threads are at most one a CPU, so one more than that is somebody else's.
        cpus: CPUs of this machine.
    """
    words = [
        f"{name} latency unsteady: IQR of its blocks {100 * spread:.0f} % of the median"
        for name, blocks in (("original", original), ("compressed", compressed))
        if (spread := _spread(blocks)) > STEADY_SPREAD
    ]
    if load >= cpus + 1:
        words.append(f"load average {load:.1f} on {cpus} CPUs")
    return "; ".join(words) or None


def _warm_up(calls: tuple[Call, Call], should_stop: ShouldStop, clock: Clock) -> float:
    """Run both until they are warm; the median seconds of one call of each together."""
    rounds: list[float] = []
    while len(rounds) < WARM_UP_ROUNDS or sum(rounds) < WARM_UP_S:
        if should_stop():
            raise Stopped
        start = clock()
        for call in calls:
            call()
        rounds.append(max(1, clock() - start) / 1e9)
    return statistics.median(rounds)


def _time_blocks(
    calls: tuple[Call, Call], schedule: Schedule, should_stop: ShouldStop, clock: Clock
) -> tuple[Times, Times]:
    """The nanoseconds of each model's timed calls, each (pairs, timed)."""
    shape = (schedule.pairs, schedule.timed)
    times = (np.empty(shape), np.empty(shape))
    for pair in range(schedule.pairs):
        for model in (0, 1) if pair % 2 == 0 else (1, 0):
            if should_stop():
                raise Stopped
            for _ in range(schedule.untimed):
                calls[model]()
            for sample in range(schedule.timed):
                start = clock()
                calls[model]()
                times[model][pair, sample] = clock() - start
    return times


def _latency(times: Times) -> Latency:
    """times in nanoseconds, any shape."""
    p50, p90 = np.quantile(times, [0.5, 0.9]) / 1e6
    return Latency(p50_ms=float(p50), p90_ms=float(p90), mean_ms=float(times.mean()) / 1e6)


def _spread(blocks: Times) -> float:
    """Interquartile range of the blocks' medians, as a share of their median."""
    low, middle, high = np.quantile(np.median(blocks, axis=1), [0.25, 0.5, 0.75])
    return float((high - low) / middle)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect now, so that no collection falls into a timed call."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
