"""The fastest that the original itself can be had here: in whatever runtime and dtype it loses nothing.

What a user would get without compressing. It belongs to the original and the machine, not to a level, so it
is looked for once and kept: as a ratio to torch eager float32, both timed in one rotation, which a row
applies to the eager latency of its own rotation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

from torch import Tensor

from ..errors import Stopped
from ..report import Report, ShouldStop, log, phase
from ..runtimes.registry import available
from ..runtimes.runtime import Forward, Prepared
from ..runtimes.source import Source
from .exclusive import exclusive
from .idle import wait_until_idle
from .latency import Call, Clock, alternate

EAGER = "torch float32"

CONTENDER = 1.5
"""Whoever takes so many times as long as the fastest, when all are warm, is timed no further."""

UNTIMED = 3
"""Calls before a candidate is warm: ResNet-20 takes 44, 5.8, 1.7 and then 1.4 ms in torch_frozen."""

STEADY = 1.2
"""Upper over lower end of the interval of a ratio that is worth keeping; beyond it a row says so."""


@dataclass(frozen=True)
class BestOriginal:
    """The fastest that loses nothing.

    Attributes:
        runtime: and the dtype it executes in, for example ``openvino bfloat16``.
        speedup: latency of torch eager float32 over latency there; 1 where that is eager.
        low: lower end of its 99 % interval.
        high: upper end.
    """

    runtime: str
    speedup: float
    low: float
    high: float

    @property
    def noise(self) -> str | None:
        """That the ratio is known too badly, in words; None where it is known well enough."""
        if self.high <= STEADY * self.low:
            return None
        return f"best original unsteady: {self.low:.2f} to {self.high:.2f} times as fast as eager"


def prepare_all(source: Source, threads: int, report: Report) -> dict[str, Prepared]:
    """The original ready to run in every runtime that is installed and every dtype it has, by both names.

    A runtime that cannot run this network is left out, with a warning.
    """
    prepared = {}
    for runtime in available():
        for dtype in runtime.dtypes():
            try:
                ready = runtime.prepare(source, threads=threads, dtype=dtype)
            except Exception as error:  # each engine fails in its own ways, and the others go on without it
                if runtime.name == "torch":
                    raise
                reason = str(error).partition("\n")[0]
                log(report, "warning", f"best original: {runtime.name} cannot run this network: {reason}")
                break
            prepared[f"{runtime.name} {ready.dtype}"] = ready
    return prepared


def find_best_original(
    candidates: Mapping[str, Prepared],
    batch: Tensor,
    loses_nothing: Callable[[Forward], bool],
    report: Report,
    should_stop: ShouldStop,
    clock: Clock = time.perf_counter_ns,
) -> BestOriginal:
    """Time the original in all its forms; of the fast ones, the fastest that is as accurate as eager.

    Args:
        candidates: as `prepare_all` gives them; EAGER is among them.
        batch: normalised images (N, 3, S, S) float32.
        loses_nothing: asked of one after the other, the fastest first; never of eager.
        report: hears the phase.
        should_stop: asked before every block.
        clock: nanoseconds, monotonic.

    Raises:
        Stopped: asked to stop.
    """
    phase(report, "find best original")
    calls = {name: partial(candidate.forward, batch) for name, candidate in candidates.items()}
    passes = cache(lambda name: name == EAGER or loses_nothing(candidates[name].forward))
    times = _nanoseconds(calls, should_stop, clock)
    # Were the limit set by one that loses accuracy, it would shut out the one that is the best without.
    fastest = next(filter(passes, sorted(times, key=times.__getitem__)))
    # The others only cost time, of a large ViT seconds a call.
    contenders = {EAGER} | {
        name for name in times if times[fastest] <= times[name] <= CONTENDER * times[fastest]
    }
    timed = alternate(
        {name: calls[name] for name in times if name in contenders},
        pairs=[(EAGER, fastest)] if fastest != EAGER else [],
        should_stop=should_stop,
        clock=clock,
        settle=wait_until_idle,
    )
    ratios = {name: timed.ratio(EAGER, name) for name in contenders}
    best = next(filter(passes, sorted(contenders, key=lambda name: -ratios[name].point)))
    ratio = ratios[best]
    return BestOriginal(best, ratio.point, ratio.low, ratio.high)


def _nanoseconds(calls: Mapping[str, Call], should_stop: ShouldStop, clock: Clock) -> dict[str, int]:
    """Of one call each, the faster of two."""
    times: dict[str, int] = {}
    with exclusive(should_stop):
        for name, call in calls.items():
            wait_until_idle()
            timed = []
            for this in range(UNTIMED + 2):
                if should_stop():
                    raise Stopped
                started = clock()
                call()
                if this >= UNTIMED:
                    timed.append(clock() - started)
            times[name] = min(timed)
    return times
