"""Mostly by a clock that the calls themselves move; the real one is used once each way."""

import gc
import re
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout

from capstone_worker.errors import MachineError, Stopped
from capstone_worker.measure import latency
from capstone_worker.measure.latency import Latency, Schedule, Timed, alternate, plan_blocks, unsteady

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


def pair(a: Callable[[], object], b: Callable[[], object]) -> dict[str, Callable[[], object]]:
    return {"original": a, "compressed": b}


def test_exact_times() -> None:
    fake = FakeTime()
    found = alternate(pair(fake.call("a", 9), fake.call("b", 6)), clock=fake.clock)
    assert found.latency("original") == Latency(9, 9, 9)
    assert found.latency("compressed") == Latency(6, 6, 6)
    ratio = found.ratio("original", "compressed")
    assert (ratio.point, ratio.low, ratio.high) == pytest.approx((1.5, 1.5, 1.5))
    assert ratio.verdict == "faster"


def test_percentiles_and_mean() -> None:
    fake = FakeTime()
    found = alternate(pair(fake.call("a", 1, 2, 2, 4), fake.call("b", 3)), clock=fake.clock)
    a = found.latency("original")
    assert (a.p50_ms, a.p90_ms) == (2, 4)
    assert a.mean_ms == pytest.approx(9 / 4, abs=0.1)


def test_blocks_alternate_and_begin_with_an_untimed_call() -> None:
    fake = FakeTime()
    alternate(pair(fake.call("a", 4), fake.call("b", 4)), clock=fake.clock)
    warm_up = "ab" * 13  # until 0.1 s
    assert fake.log == warm_up + ("aaa" + "bbb" + "bbb" + "aaa") * 10


def test_three_models_take_turns_there_and_back() -> None:
    fake = FakeTime()
    calls = {name: fake.call(name, 40) for name in "abc"}
    found = alternate(calls, clock=fake.clock)
    turns = fake.log.removeprefix("abc" * 3)
    rounds = [turns[at : at + 3] for at in range(0, len(turns), 3)]
    assert len(rounds) == 20
    assert all(back == there[::-1] for there, back in zip(rounds[::2], rounds[1::2], strict=True))
    assert len(set(rounds)) == 6  # no model always follows the same other
    assert {name: times.shape for name, times in found.blocks.items()} == dict.fromkeys("abc", (20, 1))
    assert found.ratio("a", "c").verdict == "no_difference"


def test_nothing_spins_when_others_threads_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    calls = {name: fake.call(name, 40) for name in "abc"}
    monkeypatch.setattr(latency, "wait_until_idle", fake.call("-", 0))
    alternate(calls, clock=fake.clock, pools={"a": "shared", "b": "shared", "c": "its own"})
    turns = fake.log.removeprefix("abc" * 3)
    assert turns.startswith("-")
    assert turns.count("-") == 1 + len(re.findall("[ab](?=-?c)|c(?=-?[ab])", turns))
    assert not re.search("a-b|b-a|c-c|[ab]c|c[ab]|--", turns)


@pytest.mark.parametrize(
    ("round_s", "models", "schedule"),
    [
        (1e-5, 2, Schedule(rounds=20, untimed=1, timed=50)),
        (0.001, 2, Schedule(rounds=20, untimed=1, timed=24)),
        (0.001, 4, Schedule(rounds=20, untimed=1, timed=49)),
        (0.019, 2, Schedule(rounds=20, untimed=1, timed=1)),
        (0.02, 2, Schedule(rounds=20, untimed=0, timed=1)),
        (0.3, 2, Schedule(rounds=20, untimed=0, timed=1)),
        (0.5, 2, Schedule(rounds=12, untimed=0, timed=1)),
        (1.5, 6, Schedule(rounds=12, untimed=0, timed=1)),  # as three pairs of 0.5 s
        (60.0, 2, Schedule(rounds=8, untimed=0, timed=1)),
    ],
)
def test_plan_blocks(round_s: float, models: int, schedule: Schedule) -> None:
    assert plan_blocks(round_s, models) == schedule


@pytest.mark.parametrize(
    ("durations_ms", "rounds"),
    [
        ((25.0,), 20),  # nothing to wait for
        ((20.0, 30.0, 24.0, 41.0, 22.0, 35.0, 28.0), 92),  # more would take it beyond 5 s
        ((25.0, 25.0, 25.0, *[25.0, 34.0] * 5, *[25.0] * 99), 30),  # steady after a while
        ((220.0, 280.0, 250.0), 20),  # that long already
    ],
)
def test_rounds_are_added_while_the_interval_is_wide(durations_ms: tuple[float, ...], rounds: int) -> None:
    fake = FakeTime()
    calls = pair(fake.call("a", *durations_ms), fake.call("b", 25))
    found = alternate(calls, pairs=[("original", "compressed")], clock=fake.clock)
    assert {times.shape for times in found.blocks.values()} == {(rounds, 1)}


def test_rounds_are_added_for_the_pairs_that_are_asked_for() -> None:
    """All models go on, so that their times can be compared."""
    fake = FakeTime()
    calls = {name: fake.call(name, 25) for name in "abcde"}
    calls["f"] = fake.call("f", 20, 30, 24, 41, 22, 35, 28)

    def rounds(*pairs: tuple[str, str]) -> int:
        (count,) = {len(times) for times in alternate(calls, pairs=pairs, clock=fake.clock).blocks.values()}
        return count

    assert rounds(("a", "b"), ("a", "c")) == 20
    assert rounds(("a", "f")) == 32  # six models' time, and 5 s for the two that are asked for
    assert rounds(("a", "b"), ("a", "c"), ("a", "f")) == 64


def test_some_of_the_models_under_other_names() -> None:
    steady, other = np.ones((8, 3)), np.repeat([[1.0], [1.5]], 4, axis=0)
    timed = Timed({"a": steady, "b": other, "c": 2 * steady}, [])
    pair = timed.between(original="c", compressed="a")
    assert pair.blocks.keys() == {"original", "compressed"}
    assert pair.ratio("original", "compressed").point == 2
    assert pair.noise is None
    assert timed.noise is not None


def test_unsteady() -> None:
    steady, unsteady_blocks = np.ones((8, 3)), np.repeat([[1.0], [1.5]], 4, axis=0)
    assert unsteady({"original": steady, "compressed": steady}) == []
    assert unsteady({"original": steady, "compressed": unsteady_blocks}) == [
        "compressed latency unsteady: IQR of its blocks 40 % of the median"
    ]


def test_noise_is_all_that_was_seen() -> None:
    steady = np.ones((8, 3))
    assert Timed({"a": steady}, []).noise is None
    both = Timed({"a": np.repeat([[1.0], [1.5]], 4, axis=0), "b": steady}, ["CPU governor powersave"])
    assert both.noise == ("a latency unsteady: IQR of its blocks 40 % of the median; CPU governor powersave")


@pytest.mark.parametrize("calls", [0, 5, 60])
def test_stops(calls: int) -> None:
    """While waiting for the lock, while warming up, between blocks."""
    fake = FakeTime()
    with pytest.raises(Stopped):
        alternate(
            pair(fake.call("a", 8), fake.call("b", 8)),
            should_stop=lambda: len(fake.log) >= calls,
            clock=fake.clock,
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

    alternate(pair(probe, fake.call("b", 100)), clock=fake.clock)
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
        alternate(pair(fake.call("a", 1), fake.call("b", 1)), should_stop=should_stop, clock=fake.clock)
    assert fake.log == ""


def spin(duration_ms: float) -> Callable[[], None]:
    def run() -> None:
        end = time.perf_counter_ns() + duration_ms * MS
        while time.perf_counter_ns() < end:
            pass

    return run


def test_a_call_against_itself() -> None:
    found = alternate(pair(spin(1), spin(1)))
    assert found.ratio("original", "compressed").verdict == "no_difference"
    assert found.latency("original").p50_ms == pytest.approx(1, rel=0.1)


def test_a_call_that_takes_30_percent_longer() -> None:
    ratio = alternate(pair(spin(1), spin(1.3))).ratio("original", "compressed")
    assert ratio.verdict == "slower"
    assert ratio.point == pytest.approx(1 / 1.3, rel=0.05)
    assert 0.6 < ratio.low <= ratio.point <= ratio.high < 0.95


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(MachineError) as refused:
        alternate({"a": lambda: None, "b": lambda: None})
    assert (refused.value.code, refused.value.message) == (
        "cache_not_written",
        f"{tmp_path}/file/capstone: cannot be made: not a directory",
    )


def test_a_lock_that_cannot_be_opened(cache: Path) -> None:
    lock = cache / "measure.lock"
    lock.mkdir(parents=True)
    with pytest.raises(MachineError) as refused:
        alternate({"a": lambda: None, "b": lambda: None})
    assert (refused.value.code, refused.value.message) == (
        "cache_not_written",
        f"{lock}: cannot be opened: is a directory",
    )
