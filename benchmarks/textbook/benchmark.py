"""The textbook's benchmark, which ours is measured against: one model, then the other, the mean of a loop.

    python benchmarks/textbook/benchmark.py --data-root data/cifar10 --checkpoint textbook.pth \\
        --artifacts textbook_l1.pt … textbook_l5.pt --max-eval-samples 500

For every level it evaluates and times the original and the compressed model, as people do it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from model import INT8_FROM, quantized, resnet18, test_images
from torch import nn
from torch.utils.data import DataLoader, Subset

WARM_UP, RUNS = 10, 50


def main() -> None:
    """Print accuracy and latencies of the original and of each artifact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--artifacts", type=Path, nargs=5, required=True)
    parser.add_argument("--max-eval-samples", type=int, default=500)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 64])
    args = parser.parse_args()

    images = test_images(args.data_root)
    step = len(images) // args.max_eval_samples
    loader = DataLoader(Subset(images, range(0, step * args.max_eval_samples, step)), batch_size=128)
    for level, path in enumerate(args.artifacts, start=1):
        original, compressed = resnet18(), resnet18()
        original.load_state_dict(torch.load(args.checkpoint, weights_only=True))
        if level >= INT8_FROM:
            compressed = quantized(compressed)
        # quantized weights are no plain tensors
        compressed.load_state_dict(torch.load(path, weights_only=False))
        for name, network in (("original", original), ("compressed", compressed)):
            network.eval()
            print(f"level {level} {name}: acc {accuracy(network, loader):.2f} %", end="")
            for batch_size in args.batch_sizes:
                print(f", batch {batch_size} {latency_ms(network, batch_size):.2f} ms", end="")
            print()


@torch.no_grad()
def accuracy(network: nn.Module, loader: DataLoader[Any]) -> float:
    """Percent of the loader's images."""
    right = seen = 0
    for images, labels in loader:
        right += int((network(images).argmax(1) == labels).sum())
        seen += len(labels)
    return 100 * right / seen


@torch.no_grad()
def latency_ms(network: nn.Module, batch_size: int) -> float:
    """Mean of a loop, after a warm-up."""
    batch = torch.randn(batch_size, 3, 32, 32)
    for _ in range(WARM_UP):
        network(batch)
    started = time.perf_counter()
    for _ in range(RUNS):
        network(batch)
    return 1000 * (time.perf_counter() - started) / RUNS


if __name__ == "__main__":
    main()
