"""How often the verdict on two models is wrong: a model against its own copy, and one slowed by 10 %.

By what the benchmark task itself calls, each time in a new process as there: networks, each its own copy in
memory, prepared by the runtime, timed in turns beside torch eager and whatever may be the best of the
original, as a row's are, judged by the 99 % interval and the margin. The slowed copy computes, then spins
until 1.1 times its own time has passed: exactly 10 % more, whatever the machine did meanwhile.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.graph.trace import trace
from capstone_worker.measure.best_original import find_contenders, prepare_all
from capstone_worker.measure.cpu import cpu_model, usable_cpus
from capstone_worker.measure.intervals import wilson_interval
from capstone_worker.measure.verdict import Verdict
from capstone_worker.models.build import build
from capstone_worker.report import never_stop, unheard
from capstone_worker.runtimes.registry import RUNTIMES
from capstone_worker.runtimes.runtime import Forward, Prepared, Runtime
from capstone_worker.runtimes.source import Source
from capstone_worker.tasks.rotation import timed_beside

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

    torch.set_num_threads(1)  # before the fork: threads do not live on in a child
    network = trace(build(args.arch, num_classes=10, stem="imagenet", image_size=32, seed=0).eval())
    held = True
    with neighbour() if args.neighbour else quiet():
        for batch_size in args.batch_sizes:
            held &= judge(args, network, batch_size)
    print(
        f"{cpu_model()}, {usable_cpus()} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}: "
        f"{'held' if held else 'MISSED'}"
    )
    sys.exit(0 if held else 1)


def judge(args: argparse.Namespace, network: torch.fx.GraphModule, batch_size: int) -> bool:
    """Run both kinds at one batch size; whether the bars hold."""
    batch = torch.randn(batch_size, 3, 32, 32)
    same = Verdicts(args, network, batch, args.same, lambda forward: forward)
    slow = Verdicts(args, network, batch, args.slowed, slowed)
    wrong, found = args.same - same.kinds["no_difference"], slow.kinds["slower"]
    print(f"batch {batch_size}: A/A {wrong} of {args.same} wrong {percent(wrong, args.same)}, {same}")
    print(f"batch {batch_size}: slowed {found} of {args.slowed} found {percent(found, args.slowed)}, {slow}")
    enough = bool(args.neighbour) or found >= 0.9 * args.slowed
    return wrong <= 0.05 * args.same and enough


@dataclass(frozen=True)
class Judged:
    """What one measurement came to.

    Attributes:
        verdict: of the copy.
        width: of the interval, in percent.
        noisy: whether anything disturbed it.
        seconds: that it took, models ready.
    """

    verdict: Verdict
    width: float
    noisy: bool
    seconds: float


class Verdicts:
    """What ``runs`` measurements came to, each judged by one of the copies, which is ``changed``.

    Each is a forked process with pages of its own, as the task is: one of two copies may be 2 % slower for as
    long as both live, so that many measurements of one pair would be one.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        network: torch.fx.GraphModule,
        batch: Tensor,
        runs: int,
        changed: Callable[[Forward], Forward],
    ) -> None:
        judged = [
            in_a_process(partial(measure, args, network, batch, run % args.others, changed))
            for run in range(runs)
        ]
        self.kinds = Counter(one.verdict for one in judged)
        self.noisy = sum(one.noisy for one in judged)
        self.width = statistics.median(one.width for one in judged)
        self.seconds = statistics.median(one.seconds for one in judged)

    def __str__(self) -> str:
        """For the printed line."""
        return f"interval {self.width:.1f} % wide, {self.noisy} called noisy, {self.seconds:.2f} s each"


def measure(
    args: argparse.Namespace,
    network: torch.fx.GraphModule,
    batch: Tensor,
    place: int,
    changed: Callable[[Forward], Forward],
) -> Judged:
    """The copy at that place, changed, against the original."""
    threads = usable_cpus()
    torch.set_num_threads(threads)
    runtime, source = RUNTIMES[args.runtime], Source(network, 32)
    original, *copies = (runtime.prepare(source, threads=threads) for _ in range(1 + args.others))

    def form(other: Runtime, dtype: str) -> Prepared:
        is_original = (other, dtype) == (runtime, runtime.dtypes()[0])
        return original if is_original else other.prepare(source, threads=threads, dtype=dtype)

    forms = prepare_all(form, unheard)
    contenders = find_contenders(forms, batch, lambda _: True, unheard, never_stop)
    copies[place] = replace(copies[place], forward=changed(copies[place].forward))
    models = {"original": original, **{f"copy {place}": copy for place, copy in enumerate(copies)}}
    started = time.perf_counter()
    timed = timed_beside(models, {name: forms[name] for name in contenders}, batch, never_stop).timed
    seconds = time.perf_counter() - started
    ratio = timed.ratio("original", f"copy {place}")
    is_noisy = timed.between(original="original", compressed=f"copy {place}").noise is not None
    return Judged(ratio.verdict, 100 * (ratio.high - ratio.low), is_noisy, seconds)


def in_a_process(compute: Callable[[], Judged]) -> Judged:
    """Forked, so that nothing has to be pickled on the way in."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=lambda: there.send(compute()))
    process.start()
    there.close()  # so that a child that fails is the end of what can be received
    try:
        judged: Judged = here.recv()
    except EOFError:
        sys.exit("a comparison failed, and said why above")
    finally:
        process.join()
    return judged


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
