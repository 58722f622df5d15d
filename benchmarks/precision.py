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
from short_training import CLASSES, images_per_s, random_dataset, short_training

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.measure.cpu import isa
from capstone_worker.models.architectures import family
from capstone_worker.models.build import build
from capstone_worker.training.device import find_device
from capstone_worker.training.precision import TABLE, Precision, PrecisionRow, read_table


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
    parser.add_argument(
        "--steps", type=int, help="in each turn; 4, on a GPU 400: the first few are not in its CUDA graph"
    )
    parser.add_argument("--turns", type=int, default=3, help="of each precision, after one to warm up")
    parser.add_argument("--update", action="store_true", help="write the row into the committed table")
    args = parser.parse_args()

    device = find_device(args.device)
    steps = args.steps or (400 if args.device == "cuda" else 4)
    data = random_dataset(args.batch_size * steps, args.image_size)
    rates: dict[Precision, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(1 + args.turns):
        for precision in rates:
            network = build(
                args.arch, num_classes=CLASSES, stem=args.stem, image_size=args.image_size, seed=0
            )
            config = short_training(args.batch_size, precision)
            rates[precision].append(images_per_s(network.to(device), data, config))
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
