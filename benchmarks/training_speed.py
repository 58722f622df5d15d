"""Images a second of our training loop and of the textbook's (benchmarks/textbook/train.py), in turns.

The same network, batch size, threads and number of images; both crop and flip. The textbook trains in fp32
from image files through a DataLoader, with none, 2 or as many worker processes as CPUs, whichever serves it
best here; ours in the precision that precision.json resolves `auto` to on this CPU; in fp32, to show what
precision is not; and with torch's own convolutions, to show what rewriting them is.

    python benchmarks/training_speed.py --data-root data/cifar10
    python benchmarks/training_speed.py --data-root data/cifar10 --stem cifar --batch-sizes 128 --images 640

Bars: the stock stem at batch 128 and 256 >= 2 x the textbook; the CIFAR stem >= 3 x on a CPU with AMX, none
on another. Exits 1 when one is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "textbook"))

from model import resnet18
from short_training import images_per_s, short_training

from capstone_worker.data.cache import Dataset, load
from capstone_worker.data.source import resolve
from capstone_worker.measure.cpu import cpu_model, isa, usable_cpus
from capstone_worker.models.build import build
from capstone_worker.training import loop
from capstone_worker.training.precision import Precision
from capstone_worker.training.precision import resolve as resolve_precision
from train import train_epoch, training_loader

BARS = {"imagenet": 2.0, "cifar": 3.0 if isa() == "amx" else 0.0}
Turn = Callable[[], float]


def main() -> None:
    """Measure in turns, print rates and ratios, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="{train,test}/<class>/*")
    parser.add_argument("--stem", choices=("imagenet", "cifar"), default="imagenet")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--images", type=int, default=5120, help="in a turn")
    parser.add_argument("--turns", type=int, default=5, help="of each, after one to warm up")
    args = parser.parse_args()

    torch.set_num_threads(usable_cpus())
    data = load(
        resolve("cifar10", data_root=args.data_root.parent, path=args.data_root),
        32,
        report=lambda event: None,
    )
    # Each training ends with an evaluation, which is no part of its images/s.
    data = replace(data, test_images=data.test_images[:100], test_labels=data.test_labels[:100])
    held = [judge(args, batch_size, data) for batch_size in args.batch_sizes]
    print(
        f"{cpu_model()} ({isa()}), {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}: {'held' if all(held) else 'MISSED'}"
    )
    sys.exit(0 if all(held) else 1)


def judge(args: argparse.Namespace, batch_size: int, data: Dataset) -> bool:
    """One batch size; whether the bar holds."""
    resolved = resolve_precision("auto", isa=isa(), family="resnet", stem=args.stem, batch_size=batch_size)
    turns: dict[str, Turn] = {
        **{
            f"textbook, {workers} workers": textbook(args, batch_size, workers)
            for workers in sorted({0, 2, usable_cpus()})
        },
        "ours, fp32": ours(args, batch_size, data, "fp32"),
        f"ours, {resolved}, torch's convolutions": torch_convolutions(ours(args, batch_size, data, resolved)),
        f"ours, auto ({resolved})": ours(args, batch_size, data, resolved),
    }
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(1 + args.turns):
        for name, turn in turns.items():
            rates[name].append(turn())
    medians = {name: statistics.median(found[1:]) for name, found in rates.items()}
    best = max((name for name in medians if name.startswith("textbook")), key=medians.__getitem__)
    for name, found in rates.items():
        ratios = [rate / other for rate, other in zip(found[1:], rates[best][1:], strict=True)]
        print(
            f"{args.stem} stem, batch {batch_size}, {name}: {medians[name]:.0f} images/s "
            f"({min(found[1:]):.0f}-{max(found[1:]):.0f}), {statistics.median(ratios):.2f} x "
            f"({min(ratios):.2f}-{max(ratios):.2f}), n={args.turns}"
        )
    *_, ratio = (medians[name] / medians[best] for name in medians)
    return ratio >= BARS[args.stem]


def textbook(args: argparse.Namespace, batch_size: int, workers: int) -> Turn:
    """An epoch of the textbook's loop."""
    network = resnet18()
    if args.stem == "cifar":
        network.conv1, network.maxpool = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False), torch.nn.Identity()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = training_loader(args.data_root, args.images, batch_size, workers)
    return lambda: train_epoch(network, loader, optimizer)


def ours(args: argparse.Namespace, batch_size: int, data: Dataset, precision: Precision) -> Turn:
    """An epoch of the program's own loop, without its evaluation."""
    config = replace(short_training(batch_size, precision), lr=0.05, max_train_samples=args.images)

    def turn() -> float:
        network = build("resnet18", num_classes=10, stem=args.stem, image_size=32, seed=0)
        return images_per_s(network, data, config)

    return turn


def torch_convolutions(turn: Turn) -> Turn:
    """The same turn, its convolutions left as torch computes them."""

    def plain() -> float:
        with mock.patch.object(loop, "FastConvolutions", nullcontext):
            return turn()

    return plain


if __name__ == "__main__":
    main()
