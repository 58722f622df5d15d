"""Which forms of an original may be the fastest that it can be had here: runtimes and dtypes, without loss.

What a user would get without compressing. The slow ones are found by a few calls of each, once for an
original and a machine, as are those that are faster than all that lose no accuracy; the others take turns
with what they are compared with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from ..errors import Stopped
from ..report import Report, ShouldStop, log, phase
from ..runtimes.registry import available
from ..runtimes.runtime import Prepared, Runtime
from .exclusive import exclusive
from .idle import wait_until_idle
from .latency import Call, Clock

EAGER = "torch float32"

CONTENDER = 1.5
"""Whoever takes so many times as long as the fastest, when all are warm, is timed no further."""

UNTIMED = 3
"""Calls before a form is warm: ResNet-20 takes 44, 5.8, 1.7 and then 1.4 ms in torch_frozen."""

LOOK_S = 0.02
"""How long a form is looked at, each of two times, or one call where that takes longer."""


def prepare_all(prepare: Callable[[Runtime, str], Prepared], report: Report) -> dict[str, Prepared]:
    """The original ready to run in every runtime that is installed and every dtype it has, by both names.

    A runtime that cannot run this network is left out, with a warning.
    """
    prepared = {}
    for runtime in available():
        for dtype in runtime.dtypes():
            try:
                prepared[form(runtime, dtype)] = prepare(runtime, dtype)
            except Exception as error:  # each engine fails in its own ways, and the others go on without it
                if runtime.name == "torch":
                    raise
                reason = str(error).partition("\n")[0]
                log(report, "warning", f"best original: {runtime.name} cannot run this network: {reason}")
                break
    return prepared


def form(runtime: Runtime, dtype: str) -> str:
    """As in a row: ``openvino bfloat16``."""
    return f"{runtime.name} {dtype}"


def find_contenders(
    forms: Mapping[str, Prepared],
    batch: Tensor,
    loses_nothing: Callable[[str], bool],
    report: Report,
    should_stop: ShouldStop,
    clock: Clock = time.perf_counter_ns,
) -> list[str]:
    """EAGER, and the others that may be the best: about as fast as the fastest that loses nothing.

    Args:
        forms: as `prepare_all` gives them; EAGER is among them.
        batch: normalised images (N, 3, S, S) float32.
        loses_nothing: asked of one after the other, the fastest first, until one of them loses nothing. Of
            the slower ones nobody knows yet.
        report: hears the phase.
        should_stop: asked before every call.
        clock: nanoseconds, monotonic.

    Raises:
        Stopped: asked to stop.
    """
    phase(report, "find best original")
    times = _nanoseconds(
        {name: partial(ready.forward, batch) for name, ready in forms.items()}, should_stop, clock
    )
    # Were the limit set by one that loses accuracy, it would shut out the one that is the best without.
    fastest = next(filter(loses_nothing, sorted(times, key=times.__getitem__)))
    # The others only cost time, of a large ViT seconds a call.
    return [
        name for name in times if name == EAGER or times[fastest] <= times[name] <= CONTENDER * times[fastest]
    ]


def _nanoseconds(calls: Mapping[str, Call], should_stop: ShouldStop, clock: Clock) -> dict[str, int]:
    """Of one call each, the fastest; looked at there and back, so that no disturbance of a moment is kept."""
    times: dict[str, int] = {}
    with exclusive(should_stop):
        for untimed, names in ((UNTIMED, list(calls)), (0, list(calls)[::-1])):
            for name in names:
                wait_until_idle()
                for _ in range(untimed):
                    _timed(calls[name], should_stop, clock)
                seen = [_timed(calls[name], should_stop, clock)]
                while sum(seen) < LOOK_S * 1e9:
                    seen.append(_timed(calls[name], should_stop, clock))
                times[name] = min(times.get(name, seen[0]), *seen)
    return times


def _timed(call: Call, should_stop: ShouldStop, clock: Clock) -> int:
    if should_stop():
        raise Stopped
    started = clock()
    call()
    return max(1, clock() - started)
