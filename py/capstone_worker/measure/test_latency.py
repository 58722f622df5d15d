"""Mostly by a clock that the calls themselves move; the real one is used once each way."""

import gc
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from capstone_worker.errors import Stopped
from capstone_worker.measure.latency import Comparison, Latency, Schedule, compare, noise, plan_blocks

MS = 1_000_000


class FakeTime:
    """A clock in nanoseconds, and calls that take time by it; ``log`` has a letter for each call."""

    def __init__(self) -> None:
        self.now = 0
        self.log = ""

    def clock(self) -> int:
        return self.now

    def call(self, name: str, *durations_ms: float) -> Callable[[], None]:
        """A call that takes those durations, in turn."""
        left: Iterator[float] = cycle(durations_ms)

        def run() -> None:
            self.log += name
            self.now += round(next(left) * MS)

        return run


def test_exact_times() -> None:
    fake = FakeTime()
    found = compare(fake.call("a", 9), fake.call("b", 6), clock=fake.clock)
    assert found == Comparison(
        original=Latency(9, 9, 9),
        compressed=Latency(6, 6, 6),
        speedup=1.5,
        low=1.5,
        high=1.5,
        verdict="faster",
        samples=40,
        noise=found.noise,  # the load is this machine's
    )


def test_percentiles_and_mean() -> None:
    fake = FakeTime()
    found = compare(fake.call("a", 1, 2, 2, 4), fake.call("b", 3), clock=fake.clock)
    assert (found.original.p50_ms, found.original.p90_ms) == (2, 4)
    assert found.original.mean_ms == pytest.approx(9 / 4, abs=0.1)


def test_blocks_alternate_and_begin_with_an_untimed_call() -> None:
    fake = FakeTime()
    found = compare(fake.call("a", 8), fake.call("b", 8), clock=fake.clock)
    warm_up = "ab" * 13  # until 0.2 s
    assert found.samples == 40
    assert fake.log == warm_up + ("aaa" + "bbb" + "bbb" + "aaa") * 10


@pytest.mark.parametrize(
    ("pair_s", "schedule"),
    [
        (1e-5, Schedule(pairs=20, untimed=1, timed=50)),
        (0.001, Schedule(pairs=20, untimed=1, timed=49)),
        (0.02, Schedule(pairs=20, untimed=1, timed=1)),
        (0.3, Schedule(pairs=20, untimed=0, timed=1)),
        (0.5, Schedule(pairs=12, untimed=0, timed=1)),
        (60.0, Schedule(pairs=8, untimed=0, timed=1)),
    ],
)
def test_plan_blocks(pair_s: float, schedule: Schedule) -> None:
    assert plan_blocks(pair_s) == schedule


def test_noise() -> None:
    steady, unsteady = np.ones((8, 3)), np.repeat([[1.0], [1.5]], 4, axis=0)
    assert noise(steady, steady, load=2.9, cpus=2) is None
    assert noise(steady, steady, load=3.0, cpus=2) == "load average 3.0 on 2 CPUs"
    assert noise(steady, unsteady, load=7.25, cpus=4) == (
        "compressed latency unsteady: IQR of its blocks 40 % of the median; load average 7.2 on 4 CPUs"
    )
    assert noise(unsteady, steady, load=0, cpus=1) == (
        "original latency unsteady: IQR of its blocks 40 % of the median"
    )


@pytest.mark.parametrize("calls", [0, 5, 60])
def test_stops(calls: int) -> None:
    """While waiting for the lock, while warming up, between blocks."""
    fake = FakeTime()
    with pytest.raises(Stopped):
        compare(
            fake.call("a", 8), fake.call("b", 8), should_stop=lambda: len(fake.log) >= calls, clock=fake.clock
        )
    assert calls <= len(fake.log) <= calls + 3
    assert gc.isenabled()


def test_holds_the_machines_lock(cache: Path) -> None:
    fake = FakeTime()
    is_free = []

    def probe() -> None:
        fake.now += 100 * MS
        lock = FileLock(cache / "measure.lock", timeout=0)
        try:
            with lock:
                is_free.append(True)
        except Timeout:
            is_free.append(False)

    compare(probe, fake.call("b", 100), clock=fake.clock)
    assert not any(is_free)
    probe()
    assert is_free[-1]


def test_waits_for_the_machines_lock(cache: Path) -> None:
    fake = FakeTime()
    cache.mkdir(parents=True)
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) == 3

    with FileLock(cache / "measure.lock"), pytest.raises(Stopped):
        compare(fake.call("a", 1), fake.call("b", 1), should_stop=should_stop, clock=fake.clock)
    assert fake.log == ""


def spin(duration_ms: float) -> Callable[[], None]:
    def run() -> None:
        end = time.perf_counter_ns() + duration_ms * MS
        while time.perf_counter_ns() < end:
            pass

    return run


def test_a_call_against_itself() -> None:
    call = spin(1)
    found = compare(call, call)
    assert found.verdict == "no_difference"
    assert found.original.p50_ms == pytest.approx(1, rel=0.1)


def test_a_call_that_takes_30_percent_longer() -> None:
    found = compare(spin(1), spin(1.3))
    assert found.verdict == "slower"
    assert found.speedup == pytest.approx(1 / 1.3, rel=0.05)
    assert 0.6 < found.low <= found.speedup <= found.high < 0.95
