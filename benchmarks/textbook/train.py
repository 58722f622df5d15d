"""The textbook's training, which ours is measured against: a DataLoader over image files, fp32, one loop.

    python benchmarks/textbook/train.py --data-root data/cifar10 --epochs 2 --output textbook.pth

As the tutorials write it: PIL decodes each image each time it is read, transforms vary it, worker processes
collate. Evaluated on all test images after each epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from model import resnet18, test_images, training_images
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Subset


def main() -> None:
    """Train, evaluate after each epoch, save the state_dict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--max-train-samples", type=int, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()

    torch.manual_seed(0)
    loader = training_loader(args.data_root, args.max_train_samples, args.batch_size, args.workers)
    test_loader = DataLoader(test_images(args.data_root), args.batch_size, num_workers=args.workers)
    network = resnet18()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = args.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps)
    for epoch in range(args.epochs):
        rate = train_epoch(network, loader, optimizer, schedule)
        print(
            f"epoch {epoch + 1}: {rate:.0f} images/s, test {evaluate(network, test_loader):.2f} %", flush=True
        )
    torch.save(network.state_dict(), args.output)


def training_loader(root: Path, samples: int | None, batch_size: int, workers: int) -> DataLoader[Any]:
    """Shuffled batches of so many training images, or of all."""
    images = training_images(root)
    chosen = torch.randperm(len(images))[:samples].tolist()
    return DataLoader(
        Subset(images, chosen), batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


def train_epoch(
    network: nn.Module, loader: DataLoader[Any], optimizer: Optimizer, schedule: LRScheduler | None = None
) -> float:
    """One pass; images a second."""
    network.train()
    images, started = 0, time.perf_counter()
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(batch), labels)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        images += len(labels)
    return images / (time.perf_counter() - started)


@torch.no_grad()
def evaluate(network: nn.Module, loader: DataLoader[Any]) -> float:
    """Percent of the loader's images."""
    network.eval()
    right = seen = 0
    for batch, labels in loader:
        right += int((network(batch).argmax(1) == labels).sum())
        seen += len(labels)
    return 100 * right / seen


if __name__ == "__main__":
    main()
