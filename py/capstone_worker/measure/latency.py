"""How long several models take for the same work, timed so that what disturbs one disturbs the others.

All run in this process in alternating blocks, A B C then C B A, then in another order there and back: a clock
that slows down, or a neighbour who wakes up, meets each of them, each is as often early as late, and none
always follows the same other. Fast calls share a fixed time; slow ones get fewer blocks, down to a number
below which an interval means little. Of two models:

    one call of each   rounds of blocks   timed calls in a block   in all
    1 ms               20                 24                       0.5 s
    20 ms              20                 1                        0.4 s
    0.3 s              20                 1                        6 s
    1 s                8                  1                        8 s

More models take as many times more in all. On a noisy machine that may not be enough to tell two models
apart: more rounds follow while the interval of a wanted ratio is wide, for 2.5 s a model at most.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import Stopped
from ..report import ShouldStop, never_stop
from .disturbance import disturbances, read_state
from .exclusive import exclusive
from .idle import wait_until_idle
from .intervals import paired_ratio, ratio_interval
from .verdict import Verdict, verdict

Call = Callable[[], object]
Times = npt.NDArray[np.float64]
Clock = Callable[[], int]

WARM_UP_ROUNDS = 3  # a scripted network is only optimised after two runs
WARM_UP_S = 0.1  # of two models
BUDGET_S = 0.5
LIMIT_S = 6.0
MIN_ROUNDS = 8
MAX_ROUNDS = 20
MAX_CALLS = 50
WIDE = 0.08
"""Of the interval of a ratio, as a share of it: within, a difference of 10 % is seen beyond the margin."""
PATIENCE_S = 2.5
"""For all rounds, a model of the wanted ratios. Of 20 copies of a ResNet-18 slowed by 10 % a shared virtual
machine found 16 at batch 64 with half as much (docs/performance.md)."""
COLD_BELOW_S = 0.02
"""After a switch the caches hold another model's weights: a few ms, lost in longer rounds."""

STEADY_SPREAD = 0.15


@dataclass(frozen=True)
class Latency:
    """Of one call, in milliseconds: median, 90th percentile and mean over all timed calls."""

    p50_ms: float
    p90_ms: float
    mean_ms: float


@dataclass(frozen=True)
class Ratio:
    """How many times longer one model takes than another.

    Attributes:
        point: over all rounds, as `intervals.paired_ratio`; not the quotient of two latencies.
        low: lower end of its 99 % interval.
        high: upper end.
    """

    point: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Of the model in the denominator."""
        return verdict(self.low, self.high)


@dataclass(frozen=True)
class Timed:
    """Models timed against each other.

    Attributes:
        blocks: nanoseconds of each model's timed calls, each (rounds, calls).
        disturbances: what the machine says disturbed it, in words.
    """

    blocks: Mapping[str, Times]
    disturbances: Sequence[str]

    def latency(self, name: str) -> Latency:
        """Of one of the models."""
        times = self.blocks[name]
        p50, p90 = np.quantile(times, [0.5, 0.9]) / 1e6
        return Latency(p50_ms=float(p50), p90_ms=float(p90), mean_ms=float(times.mean()) / 1e6)

    def ratio(self, numerator: str, denominator: str) -> Ratio:
        """Latency of one over latency of the other: the speed-up that the second is over the first."""
        above, below = self.blocks[numerator], self.blocks[denominator]
        return Ratio(paired_ratio(above, below), *ratio_interval(above, below))

    def between(self, **names: str) -> Timed:
        """Some of the models alone, each under the name of its keyword."""
        return Timed({new: self.blocks[name] for new, name in names.items()}, self.disturbances)

    @property
    def noise(self) -> str | None:
        """What disturbed the measurement, in words; None where nothing was seen."""
        return "; ".join([*unsteady(self.blocks), *self.disturbances]) or None


class Schedule(NamedTuple):
    """``rounds`` of blocks, one of each model; in a block ``untimed`` calls, then ``timed`` ones."""

    rounds: int
    untimed: int
    timed: int


def alternate(
    calls: Mapping[str, Call],
    *,
    pairs: Sequence[tuple[str, str]] = (),
    should_stop: ShouldStop = never_stop,
    clock: Clock = time.perf_counter_ns,
    pools: Mapping[str, str] = MappingProxyType({}),
) -> Timed:
    """Time several calls against each other, with this machine's other measurements held off.

    Args:
        calls: by name; each runs its model once on a batch it already has and returns when the result is
            there. All do the same work.
        pairs: those whose ratio is wanted: rounds are added while the interval of one is wide. By its width
            alone, whatever it says: stopping at a wanted verdict would find one too often.
        should_stop: asked before every block.
        clock: nanoseconds, monotonic.
        pools: by name, which threads compute it, where not all have the same: before a block of others than
            in the block before, nothing may spin any more.

    Raises:
        Stopped: asked to stop.
    """
    with exclusive(should_stop), _no_garbage_collection():
        before = read_state()
        schedule = plan_blocks(warm_up(calls, should_stop, clock), len(calls))
        blocks = time_blocks(calls, schedule, should_stop, clock, pools)
        while any(_is_wide(blocks, *pair) for pair in pairs):
            rounds = _rounds_to_add(blocks, schedule, PATIENCE_S * (1 + len(pairs)))
            if rounds == 0:
                break
            added = time_blocks(calls, schedule._replace(rounds=rounds), should_stop, clock, pools)
            blocks = {name: np.concatenate([blocks[name], added[name]]) for name in calls}
        return Timed(blocks, disturbances(before, read_state(), os.cpu_count() or 1))


def plan_blocks(round_s: float, models: int = 2) -> Schedule:
    """How to spend the time, given the seconds that one call of each model takes together."""
    # All limits are for a pair: a third model does not take time from the other two.
    pair_s = round_s * 2 / models
    untimed = 1 if pair_s < COLD_BELOW_S else 0
    timed = min(max(1, int(BUDGET_S / MAX_ROUNDS / pair_s) - untimed), MAX_CALLS)
    affordable = int(LIMIT_S / pair_s / (untimed + timed))
    rounds = min(max(affordable, MIN_ROUNDS), MAX_ROUNDS)
    return Schedule(rounds - rounds % 2, untimed, timed)


def unsteady(blocks: Mapping[str, Times]) -> list[str]:
    """Which models' own times vary from block to block, in words.

    Args:
        blocks: (rounds, calls) times by the model's name.
    """
    return [
        f"{name} latency unsteady: IQR of its blocks {100 * spread:.0f} % of the median"
        for name, times in blocks.items()
        if (spread := _spread(times)) > STEADY_SPREAD
    ]


def warm_up(calls: Mapping[str, Call], should_stop: ShouldStop, clock: Clock = time.perf_counter_ns) -> float:
    """Run all until they are warm; the median seconds of one call of each together."""
    rounds: list[float] = []
    while len(rounds) < WARM_UP_ROUNDS or sum(rounds) < WARM_UP_S * len(calls) / 2:
        if should_stop():
            raise Stopped
        start = clock()
        for call in calls.values():
            call()
        rounds.append(max(1, clock() - start) / 1e9)
    return statistics.median(rounds)


def time_blocks(
    calls: Mapping[str, Call],
    schedule: Schedule,
    should_stop: ShouldStop,
    clock: Clock = time.perf_counter_ns,
    pools: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Times]:
    """The nanoseconds of each model's timed calls, each (rounds, timed)."""
    times = {name: np.empty((schedule.rounds, schedule.timed)) for name in calls}
    names, draw, awake = list(calls), random.Random(0), None
    for this in range(schedule.rounds):
        if this % 2 == 0 and len(names) > 2:
            draw.shuffle(names)  # who always followed the same other would find its weights in the caches
        for name in names if this % 2 == 0 else reversed(names):
            if should_stop():
                raise Stopped
            call = calls[name]
            if pools.get(name) != awake:
                wait_until_idle()
                awake = pools.get(name)
            for _ in range(schedule.untimed):
                call()
            for sample in range(schedule.timed):
                start = clock()
                call()
                times[name][this, sample] = clock() - start
    return times


def _rounds_to_add(blocks: Mapping[str, Times], schedule: Schedule, limit_s: float) -> int:
    """Half as many again, or what is left of the time for all; an even number."""
    ran = len(next(iter(blocks.values())))
    calls = schedule.untimed + schedule.timed
    round_s = calls * sum(float(times.mean()) for times in blocks.values()) / 1e9
    more = min(ran / 2, limit_s / round_s - ran)
    return max(0, int(more / 2) * 2)


def _is_wide(blocks: Mapping[str, Times], numerator: str, denominator: str) -> bool:
    low, high = ratio_interval(blocks[numerator], blocks[denominator])
    return high - low > WIDE * (low + high) / 2


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
