"""Measure whether fp32 or bf16 trains faster on this machine, and put the answer into precision.json.

Both precisions take turns in one process, each turn a short training by the program's own loop; the median
turn counts. The row for this CPU's ISA (or cuda), the architecture's family, the stem and the batch size is
replaced.

    python benchmarks/precision.py --arch resnet18 --stem imagenet --batch-size 128        # prints the row
    python benchmarks/precision.py --arch resnet18 --stem imagenet --batch-size 128 --update
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.data.cache import Dataset
from capstone_worker.measure.cpu import isa
from capstone_worker.models.architectures import family
from capstone_worker.models.build import build
from capstone_worker.report import never_stop
from capstone_worker.training.config import TrainConfig
from capstone_worker.training.device import find_device
from capstone_worker.training.loop import train
from capstone_worker.training.precision import TABLE, Precision, PrecisionRow, read_table

CLASSES = 10


def main() -> None:
    """Measure, print, and with --update write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--stem", choices=("imagenet", "cifar"), default="imagenet")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=4, help="in each turn")
    parser.add_argument("--turns", type=int, default=3, help="of each precision, after one to warm up")
    parser.add_argument("--update", action="store_true", help="write the row into the committed table")
    args = parser.parse_args()

    device = find_device(args.device)
    data = random_dataset(args.batch_size * args.steps, args.image_size)
    rates: dict[Precision, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(1 + args.turns):
        for precision in rates:
            network = build(
                args.arch, num_classes=CLASSES, stem=args.stem, image_size=args.image_size, seed=0
            )
            config = short_training(args.batch_size, precision)
            result = train(
                network.to(device),
                data,
                config,
                seed=0,
                partial=None,
                report=lambda event: None,
                should_stop=never_stop,
            )
            rates[precision].append(result.images_per_s)
    fp32, bf16 = (round(statistics.median(rates[precision][1:]), 1) for precision in ("fp32", "bf16"))
    row = PrecisionRow(
        isa=isa() if args.device == "cpu" else args.device,
        family=family(args.arch),
        stem=args.stem,
        min_batch_size=args.batch_size,
        precision="bf16" if bf16 > fp32 else "fp32",
        fp32_images_s=fp32,
        bf16_images_s=bf16,
        torch=torch.__version__.split("+")[0],
        measured=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    )
    print(json.dumps(asdict(row)))
    if args.update:
        update(row)


def random_dataset(count: int, image_size: int) -> Dataset:
    """As many random training images, and two to test."""
    images = torch.randint(0, 256, (count, 3, image_size, image_size), dtype=torch.uint8)
    labels = torch.arange(count) % CLASSES
    classes = tuple(str(label) for label in range(CLASSES))
    return Dataset(images, labels, images[:2], labels[:2], classes, (0.5,) * 3, (0.25,) * 3, digest="random")


def short_training(batch_size: int, precision: Precision) -> TrainConfig:
    """One epoch with the usual extras; the rate is low enough that nothing diverges on random labels."""
    return TrainConfig(
        epochs=1,
        batch_size=batch_size,
        lr=1e-3,
        weight_decay=5e-4,
        optimizer="sgd",
        schedule="one_cycle",
        warmup_epochs=0.0,
        augment="crop_flip",
        label_smoothing=0.0,
        cutout=0,
        ema_decay=0.0,
        precision=precision,
        max_train_samples=None,
        eval_every=1,
    )


def update(row: PrecisionRow) -> None:
    """Put the row into the table, one row a line, sorted by what it is looked up by."""

    def key(row: PrecisionRow) -> tuple[str, str, str, int]:
        return row.isa, row.family, row.stem, row.min_batch_size

    rows = sorted([*(other for other in read_table() if key(other) != key(row)), row], key=key)
    TABLE.write_text(
        "[\n" + ",\n".join(f"  {json.dumps(asdict(row))}" for row in rows) + "\n]\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
