"""What a step on a GPU gains as one CUDA graph, and that it keeps its bits.

The program's own loop trains the same network on the same random images, kernel by kernel and as a graph, in
turns; the first turn of each warms up. Both must leave the same weights, bit by bit, in every turn.

    python benchmarks/gpu_step.py                 # ResNet-18 (cifar stem), 20 and 56, trained and fine-tuned
    python benchmarks/gpu_step.py --arch resnet20 --batch-sizes 128
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from short_training import CLASSES, images_per_s, random_dataset, short_training
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.data.cache import Dataset
from capstone_worker.models.build import build
from capstone_worker.training import loop
from capstone_worker.training.captured import Captured
from capstone_worker.training.config import TrainConfig
from capstone_worker.training.device import find_device
from capstone_worker.training.distill import distillation, teacher_of
from capstone_worker.training.fake_quantize import round_weights


class _KernelByKernel(Captured):
    """The same without a graph."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401
        super().__init__(*args)
        self.is_possible = False


def main() -> None:
    """Measure and print a line for each network and batch size; exit code 1 where bits differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arch", nargs="+", default=["resnet18", "resnet20", "resnet56"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--images", type=int, default=25_600, help="in each turn")
    parser.add_argument("--turns", type=int, default=3, help="of each, after one to warm up")
    args = parser.parse_args()
    device = find_device("cuda")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, bf16, n={args.turns}", flush=True)
    all_same = True
    for arch in args.arch:
        for batch_size in args.batch_sizes:
            for tunes in (False, True):
                all_same &= _compare(arch, batch_size, args.images, args.turns, device, tunes=tunes)
    raise SystemExit(0 if all_same else 1)


def _compare(
    arch: str, batch_size: int, images: int, turns: int, device: torch.device, *, tunes: bool
) -> bool:
    # No multiple of the batch size: batches of two sizes, a graph for each.
    data = random_dataset(images - images // batch_size // 2, 32)
    original = build(arch, num_classes=CLASSES, stem="cifar", image_size=32, seed=0)
    config = replace(short_training(batch_size, "bf16"), ema_decay=0.99, cutout=8)
    rates: dict[type[Captured], list[float]] = {Captured: [], _KernelByKernel: []}
    weights = []
    for _ in range(1 + turns):
        for way, measured in rates.items():
            network = copy.deepcopy(original)
            measured.append(_trained(network, original, data, config, device, way, tunes=tunes))
            weights.append({name: tensor.cpu() for name, tensor in network.state_dict().items()})
    same = all(torch.equal(tensor, weights[0][name]) for one in weights[1:] for name, tensor in one.items())
    graph, single = (values[1:] for values in rates.values())
    ratios = sorted(one / other for one, other in zip(graph, single, strict=True))
    print(
        f"{arch}, batch {batch_size}, {'distilled, 4 bits' if tunes else 'trained'}: "
        f"{statistics.median(single):,.0f} images/s kernel by kernel, {statistics.median(graph):,.0f} as a "
        f"graph: {statistics.median(ratios):.2f} x ({ratios[0]:.2f}-{ratios[-1]:.2f}); "
        f"bits {'the same' if same else 'DIFFER'}",
        flush=True,
    )
    return same


def _trained(
    network: nn.Module,
    original: nn.Module,
    data: Dataset,
    config: TrainConfig,
    device: torch.device,
    way: Callable[..., Captured],
    *,
    tunes: bool,
) -> float:
    """Images a second."""
    made: list[Captured] = []

    def make(*args: Any) -> Captured:  # noqa: ANN401
        made.append(way(*args))
        return made[-1]

    objective = None
    if tunes:
        round_weights(network, 4)
        teacher = teacher_of(original, device)
        objective = distillation(teacher, temperature=4.0, weight=0.9, bf16=True)
    with patch.object(loop, "Captured", make):
        rate = images_per_s(network.to(device), data, config, objective)
    if made[0].is_possible != (way is Captured):
        raise SystemExit("no graph could be made of this step")
    return rate


if __name__ == "__main__":
    main()
