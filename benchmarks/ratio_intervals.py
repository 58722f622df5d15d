"""How wide intervals of a ratio of latencies are, and how often they miss: three ways, by the same times.

Copies of a ResNet-18 take turns as the levels of a benchmark do. Their true ratio is 1; that of a copy slowed
by 10 % is 1/1.1. The times of all rounds are cut into windows, and of each pair of copies in each window
three 99 % intervals are computed:

    medians      of the quotient of both medians: bootstrap over rounds, percentiles (Hesterberg 2015), as
                 before, but that a block counts by its median
    bootstrap t  of the trimmed mean of the rounds' log ratios: bootstrap over rounds, of t, symmetric
    yuen         of the same mean: Student's (Yuen 1974), what the program uses

    python benchmarks/ratio_intervals.py [--batch-size 64] [--copies 6] [--rounds 240]

Prints for each number of rounds in a window how wide the intervals are (median), how many do not hold 1, how
many would be a wrong verdict, and how many slowed copies would be found. The last row stops as the program
does, whose windows grow until an interval is narrow enough. Pairs of one window are not independent, and
copies may differ a little for as long as they live. Has no bar; exits 0.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import special

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.graph.trace import trace
from capstone_worker.measure.cpu import cpu_model, usable_cpus
from capstone_worker.measure.exclusive import exclusive
from capstone_worker.measure.intervals import Interval, ratio_interval, trimmed_mean
from capstone_worker.measure.latency import MAX_ROUNDS, WIDE, plan_blocks, time_blocks, warm_up
from capstone_worker.measure.verdict import verdict
from capstone_worker.models.build import build
from capstone_worker.report import never_stop
from capstone_worker.runtimes.registry import RUNTIMES
from capstone_worker.runtimes.source import Source

Times = npt.NDArray[np.float64]

CONFIDENCE = 0.99
RESAMPLES = 4000
SLOWED = 1.1
WINDOWS = (8, 12, 20, 30)


def main() -> None:
    """Time, compute, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=240)
    args = parser.parse_args()
    times = timed(args.batch_size, args.copies, args.rounds)
    methods: Mapping[str, Callable[[Times, Times], Interval]] = {
        "medians": of_medians,
        "bootstrap t": bootstrap_t,
        "yuen": lambda a, b: ratio_interval(a[:, None], b[:, None], CONFIDENCE),
    }
    print("| rounds | interval | width, % | misses 1, % | wrong verdict, % | slowed found, % | n |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for window in WINDOWS:
        pieces = [
            (a[start : start + window], b[start : start + window])
            for a, b in itertools.combinations(times, 2)
            for start in range(0, args.rounds - window + 1, window)
        ]
        for name, method in methods.items():
            ends = np.array([method(a, b) for a, b in pieces])
            print(f"| {window} | {name} | {summary(ends)} | {len(ends)} |", flush=True)
    ends = np.array([stopped(*piece) for a, b in itertools.combinations(times, 2) for piece in split(a, b)])
    print(f"| as the program stops | yuen | {summary(ends)} | {len(ends)} |")
    print(
        f"\n{cpu_model()}, {usable_cpus()} threads, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}"
    )


def summary(ends: Times) -> str:
    """ends (n, 2): lower and upper."""
    low, high = ends.T
    misses = np.mean((low > 1) | (high < 1))
    wrong = np.mean([verdict(*pair) != "no_difference" for pair in ends])
    found = np.mean([verdict(*pair) == "slower" for pair in ends / SLOWED])
    return f"{100 * np.median(high - low):.1f} | {100 * misses:.1f} | {100 * wrong:.1f} | {100 * found:.0f}"


def timed(batch_size: int, copies: int, rounds: int) -> Times:
    """Nanoseconds of one call of each copy in each round, (copies, rounds), in the program's own order."""
    threads = usable_cpus()
    torch.set_num_threads(threads)
    source = Source(
        trace(build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0).eval()), 32
    )
    batch = torch.randn(batch_size, 3, 32, 32)
    runtime = RUNTIMES["torch"]
    calls = {
        f"copy {place}": partial(runtime.prepare(source, threads=threads).forward, batch)
        for place in range(copies)
    }
    with exclusive(never_stop):
        schedule = plan_blocks(warm_up(calls, never_stop), copies)._replace(rounds=rounds)
        blocks = time_blocks(calls, schedule, never_stop)
    return np.stack([np.median(times, axis=1) for times in blocks.values()])


def split(a: Times, b: Times) -> list[tuple[Times, Times]]:
    """As long as the program would go on at most."""
    longest = 4 * WINDOWS[-1]
    return [
        (a[start : start + longest], b[start : start + longest])
        for start in range(0, len(a) - longest + 1, WINDOWS[-1])
    ]


def stopped(a: Times, b: Times) -> Interval:
    """By `latency.alternate`'s rule: half as many rounds again while the interval is wide."""
    rounds = MAX_ROUNDS
    while True:
        low, high = ratio_interval(a[:rounds, None], b[:rounds, None], CONFIDENCE)
        if high - low <= WIDE * (low + high) / 2 or rounds == len(a):
            return low, high
        rounds = min(rounds + rounds // 4 * 2, len(a))


def of_medians(a: Times, b: Times) -> Interval:
    """What the program did before: (rounds,) each."""
    rounds = len(a)
    drawn = np.random.default_rng(0).integers(rounds, size=(RESAMPLES, rounds))
    ratios = np.median(a[drawn], axis=1) / np.median(b[drawn], axis=1)
    t = special.stdtrit(rounds - 1, (1 - CONFIDENCE) / 2)
    tail = special.ndtr(t * math.sqrt(rounds / (rounds - 1)))
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_t(a: Times, b: Times) -> Interval:
    """(rounds,) each."""
    logs = np.log(a / b)
    drawn = np.random.default_rng(0).integers(len(logs), size=(RESAMPLES, len(logs)))
    middle, error, _ = trimmed_mean(logs)
    middles, errors, _ = trimmed_mean(logs[drawn])
    half = error * np.quantile(np.abs(middles - middle) / np.maximum(errors, 0.05 * error), CONFIDENCE)
    return math.exp(middle - half), math.exp(middle + half)


if __name__ == "__main__":
    main()
