"""How accuracy falls with global magnitude pruning: what the amounts in recipes/classic.json were chosen by.

Prunes one checkpoint at many amounts, one shot, and evaluates each on a class-balanced part of the training
images (by which to choose) and on all test images (to report). Level 0 is the checkpoint itself.

    python benchmarks/classic_levels.py checkpoints/resnet18_cifar10.pth data/cifar10
    python benchmarks/classic_levels.py checkpoints/vit_b_16_cifar10.pth data/cifar10 --amounts 0.2 0.4 0.6
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.data.cache import load
from capstone_worker.data.source import resolve
from capstone_worker.data.subset import balanced_subset
from capstone_worker.measure.accuracy import accuracy, logits
from capstone_worker.models.file import load_model
from capstone_worker.report import never_stop
from capstone_worker.runtimes.source import Source
from capstone_worker.runtimes.torch_eager import TorchEager
from capstone_worker.steps.base import Context
from capstone_worker.steps.registry import apply_steps

AMOUNTS = [0.0, 0.2, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97]
TRAIN_IMAGES = 10_000
BATCH = 500


def main() -> None:
    """Print one line for each amount."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("dataset", type=Path, help="folder with train/<class>/* and test/<class>/*")
    parser.add_argument("--amounts", type=float, nargs="+", default=AMOUNTS)
    args = parser.parse_args()

    original = load_model(args.checkpoint)
    record = original.record
    source = resolve(args.dataset.name, data_root=args.dataset.parent, path=args.dataset)
    data = load(source, record["model"]["image_size"], lambda event: None)
    chosen = balanced_subset(data.train_labels, TRAIN_IMAGES, seed=0)
    splits = {
        f"train acc % (n={len(chosen)})": (data.train_images[chosen], data.train_labels[chosen]),
        f"test acc % (n={len(data.test_labels)})": (data.test_images, data.test_labels),
    }
    normalisation = record["normalisation"]
    context = Context(record["model"]["image_size"], original.network, lambda: data)

    def evaluate(network: torch.fx.GraphModule, images: Tensor, labels: Tensor) -> float:
        source = Source(network, record["model"]["image_size"])
        forward = TorchEager().prepare(source, threads=torch.get_num_threads()).forward
        said = logits(
            forward,
            images,
            normalisation["mean"],
            normalisation["std"],
            BATCH,
            never_stop,
            lambda event: None,
            "evaluate",
        )
        return accuracy(said, labels)

    print(f"{args.checkpoint}: {record['model']['arch']} on {record['dataset']['name']}")
    print("| amount | " + " | ".join(splits) + " | with int8 Linears: " + " | ".join(splits) + " |")
    print("|---:|" + "---:|" * (2 * len(splits)))
    for amount in args.amounts:
        prune = {"step": "prune_magnitude", "amount": amount, "scope": "global"}
        cells = []
        for steps in ([prune], [prune, {"step": "quantize_dynamic"}]):
            network, _ = apply_steps(original.network, steps, context, lambda event: None)
            cells += [f"{evaluate(network, *split):.2f}" for split in splits.values()]
        print(f"| {amount:.3f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
