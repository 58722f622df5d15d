"""When enough channels are gone, where what counts is the latency of the network as it is measured here.

Multiplications say little of it. A ResNet-20 with 45 % of them left took 74 % of its time at batch size 1;
one with 28 % left took 65 % at batch size 32, and 50 % where its channels were multiples of 8 (one thread,
one run each). So the network is timed, beside the one that it was, in alternating blocks and while no other
measurement goes on.

Of several measurements the first that reaches the goal is taken, which favours one that came out low:
measured again the network may miss the goal by as much as the interval is wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import fx

from ..measure.cpu import cpu_model
from ..measure.latency import Timed, alternate
from ..measure.macs import macs
from ..report import ShouldStop
from ..runtimes.source import Source
from ..runtimes.torch_eager import TorchEager

DEFAULT_BATCH_SIZE = 1
"""Not in the schema: there it would become part of every spec, and so of the keys of the other targets."""
LEFT_BETWEEN = 0.95
"""Of the multiply-accumulates at the last measurement, at most: less of a change is not worth 0.6 to 6 s."""

BEFORE, AFTER = "before", "after"

Time = Callable[[fx.GraphModule], Timed]
"""Times a network, called AFTER, against the one that it was, called BEFORE."""


def time_against(network: fx.GraphModule, image_size: int, batch_size: int, should_stop: ShouldStop) -> Time:
    """Times what becomes of a network, in torch eager float32 with the threads that torch has now.

    The given network may change meanwhile. The times raise Stopped where they are asked to stop.
    """
    threads = torch.get_num_threads()
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(batch_size, 3, image_size, image_size, generator=generator)

    def call(of: fx.GraphModule) -> Callable[[], object]:
        prepared = TorchEager().prepare(Source(of, image_size), threads=threads)
        return partial(prepared.forward, batch)

    unpruned = call(network)
    return lambda pruned: alternate({BEFORE: unpruned, AFTER: call(pruned)}, should_stop=should_stop)


@dataclass
class LatencyGoal:
    """At least the share `ratio` of the latency is gone, by the point of its measurement.

    Attributes:
        ratio: above 0, below 1.
        batch_size: of the timed calls.
        image_size: side of an image in pixels.
        macs: multiply-accumulates of an image in the network last timed; at first in the one that it was.
        time: of a network and the one that it was.
        removed: the largest share that was seen to be gone, at least 0.
    """

    ratio: float
    batch_size: int
    image_size: int
    macs: int
    time: Time
    removed: float = field(default=0.0, init=False)
    _timed: Timed | None = field(default=None, init=False)

    @property
    def what(self) -> str:
        """What it is a share of, in words."""
        return f"latency at batch size {self.batch_size}"

    def is_reached(self, network: fx.GraphModule, *, is_last: bool) -> bool:
        """Whether the network is fast enough; it is timed where enough of it has gone since the last time.

        Args:
            network: smaller than those asked about before.
            is_last: there will be none smaller: any change is enough.

        Raises:
            Stopped: asked to stop.
        """
        left = macs(network, self.image_size)
        if left >= self.macs * (1 if is_last else LEFT_BETWEEN):
            return False
        self.macs, self._timed = left, self.time(network)
        share = 1 - 1 / self._timed.ratio(BEFORE, AFTER).point
        self.removed = max(self.removed, share)
        return share >= self.ratio

    def record(self) -> dict[str, Any]:
        """What the last measurement found, and where: a task's key names no machine."""
        assert self._timed is not None, "never asked"
        speedup = self._timed.ratio(BEFORE, AFTER)
        return {
            "latency_batch_size": self.batch_size,
            "latency_ms_before": self._timed.latency(BEFORE).p50_ms,
            "latency_ms_after": self._timed.latency(AFTER).p50_ms,
            "speedup": speedup.point,
            "speedup_low": speedup.low,
            "speedup_high": speedup.high,
            "noise": self._timed.noise,
            "threads": torch.get_num_threads(),
            "cpu": cpu_model(),
            "deterministic": False,
        }
