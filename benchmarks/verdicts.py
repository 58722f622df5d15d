"""How often the verdict on two models is wrong: a model against its own copy, and one slowed by 10 %.

By what the benchmark task itself calls: networks, each its own copy in memory, prepared by the runtime,
timed in turns (in other runtimes than torch beside torch eager, as a row's are), judged by the 99 % interval
and the margin. The slowed copy computes, then spins until 1.1 times its own time has passed: exactly 10 %
more, whatever the machine did meanwhile.

    python benchmarks/verdicts.py                # 40 A/A and 20 slowed runs at batch 1 and at batch 64
    python benchmarks/verdicts.py --others 5     # the same among five copies that take turns, as levels do
    python benchmarks/verdicts.py --neighbour    # the same, disturbed by a process that computes

Bars, for each batch size: at most 2 of 40 A/A verdicts other than no_difference, at least 18 of 20 slowed
copies `slower`. Exits 1 when one is missed. With --neighbour the bar is the first alone: none is invented.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.graph.trace import trace
from capstone_worker.measure.cpu import cpu_model, usable_cpus
from capstone_worker.measure.intervals import wilson_interval
from capstone_worker.measure.latency import Timed
from capstone_worker.models.build import build
from capstone_worker.report import never_stop
from capstone_worker.runtimes.registry import RUNTIMES
from capstone_worker.runtimes.runtime import Forward, Prepared
from capstone_worker.runtimes.source import Source
from capstone_worker.tasks.figures import timed_beside_eager

SLOWED = 1.1


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), default="torch")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--same", type=int, default=40, help="A/A runs")
    parser.add_argument("--slowed", type=int, default=20, help="runs against the slowed copy")
    parser.add_argument("--others", type=int, default=1, help="that take turns with the original")
    parser.add_argument("--neighbour", action="store_true", help="while another process computes")
    args = parser.parse_args()

    threads = usable_cpus()
    torch.set_num_threads(threads)
    network = trace(build(args.arch, num_classes=10, stem="imagenet", image_size=32, seed=0).eval())
    held = True
    with neighbour() if args.neighbour else quiet():
        for batch_size in args.batch_sizes:
            held &= judge(args, network, batch_size)
    print(
        f"{cpu_model()}, {threads} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}: "
        f"{'held' if held else 'MISSED'}"
    )
    sys.exit(0 if held else 1)


def judge(args: argparse.Namespace, network: torch.fx.GraphModule, batch_size: int) -> bool:
    """Run both kinds at one batch size; whether the bars hold."""
    batch = torch.randn(batch_size, 3, 32, 32)
    runtime = RUNTIMES[args.runtime]
    source = Source(network, 32)
    threads = torch.get_num_threads()
    original, *copies = (runtime.prepare(source, threads=threads) for _ in range(1 + args.others))
    torch_eager = RUNTIMES["torch"]
    eager = original if runtime is torch_eager else torch_eager.prepare(source, threads=threads)

    def timed(others: dict[str, Prepared]) -> Timed:
        return timed_beside_eager({"original": original, **others}, eager, batch, never_stop)[0]

    same = Verdicts(timed, copies, args.same, lambda forward: forward)
    slow = Verdicts(timed, copies, args.slowed, slowed)
    wrong, found = args.same - same.kinds["no_difference"], slow.kinds["slower"]
    print(f"batch {batch_size}: A/A {wrong} of {args.same} wrong {percent(wrong, args.same)}, {same}")
    print(f"batch {batch_size}: slowed {found} of {args.slowed} found {percent(found, args.slowed)}, {slow}")
    enough = bool(args.neighbour) or found >= 0.9 * args.slowed
    return wrong <= 0.05 * args.same and enough


class Verdicts:
    """What ``runs`` measurements came to, each judged by one of the copies, which is ``changed``."""

    def __init__(
        self,
        timed: Callable[[dict[str, Prepared]], Timed],
        copies: Sequence[Prepared],
        runs: int,
        changed: Callable[[Forward], Forward],
    ) -> None:
        self.kinds: Counter[str] = Counter()
        self.noisy = 0
        widths, seconds = [], []
        for run in range(runs):
            started = time.perf_counter()
            others = {f"copy {place}": copy for place, copy in enumerate(copies)}
            judged = f"copy {run % len(copies)}"
            others[judged] = replace(others[judged], forward=changed(others[judged].forward))
            pair = timed(others).between(original="original", compressed=judged)
            ratio = pair.ratio("original", "compressed")
            seconds.append(time.perf_counter() - started)
            widths.append(100 * (ratio.high - ratio.low))
            self.kinds[ratio.verdict] += 1
            self.noisy += pair.noise is not None
        self.width, self.seconds = statistics.median(widths), statistics.median(seconds)

    def __str__(self) -> str:
        """For the printed line."""
        return f"interval {self.width:.1f} % wide, {self.noisy} called noisy, {self.seconds:.2f} s each"


def slowed(forward: Forward) -> Forward:
    """The same, taking SLOWED times as long."""

    def run(batch: Tensor) -> Tensor:
        started = time.perf_counter_ns()
        logits = forward(batch)
        end = started + SLOWED * (time.perf_counter_ns() - started)
        while time.perf_counter_ns() < end:
            pass
        return logits

    return run


def percent(count: int, runs: int) -> str:
    """The 95 % interval of a share."""
    low, high = wilson_interval(count, runs, 0.95)
    return f"({low:.0f}-{high:.0f} %)"


@contextmanager
def neighbour() -> Iterator[None]:
    """A process that computes for a second and rests for half of one."""
    process = multiprocessing.get_context("spawn").Process(target=compute, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()


def compute() -> None:
    """Until it is killed."""
    while True:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
        time.sleep(0.5)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing besides."""
    yield


if __name__ == "__main__":
    main()
