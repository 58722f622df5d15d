"""When does a dynamically quantised Linear pay? fp32 against int8, layer by layer, interleaved in one run.

Each layer is timed as a row of benchmark_levels.csv is: alternating blocks, the 99 % interval of the ratio, a
verdict beyond a margin of 2 %. The layers are those of ResNet-18 (one Linear, after pooling) and of ViT-B/16
(its MLPs), at the number of rows they get: images for the one, images x tokens for the other.

    python benchmarks/dynamic_int8.py [--threads N]
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.measure.cpu import cpu_model, isa_flags, usable_cpus
from capstone_worker.measure.latency import alternate
from capstone_worker.models import Int8Linear
from capstone_worker.runtimes.lower_int8 import dynamic_linear
from capstone_worker.steps.quantize_dynamic import quantize_rows


class Layer(NamedTuple):
    """A Linear and how many rows one call gives it."""

    what: str
    rows: int
    inputs: int
    outputs: int


LAYERS = (
    Layer("ResNet-18 fc, batch 1", 1, 512, 10),
    Layer("ResNet-18 fc, batch 64", 64, 512, 10),
    Layer("ViT-B/16 MLP at 32 px, batch 1", 5, 768, 3072),
    Layer("ViT-B/16 MLP at 32 px, batch 64", 320, 768, 3072),
    Layer("ViT-B/16 MLP at 224 px, batch 1", 197, 768, 3072),
    Layer("ViT-B/16 MLP, back, at 224 px, batch 1", 197, 3072, 768),
)


def main() -> None:
    """Print one line for each layer, and the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=usable_cpus())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    print("| layer | rows x in -> out | fp32 ms | int8 ms | fp32 / int8 | 99 % interval | verdict |")
    print("|---|---|---:|---:|---:|---|---|")
    for layer in LAYERS:
        linear = nn.Linear(layer.inputs, layer.outputs).eval()
        inputs = torch.randn(layer.rows, layer.inputs)
        with torch.inference_mode():
            calls = {"fp32": partial(linear, inputs), "int8": partial(quantized(linear), inputs)}
            timed = alternate(calls, pairs=[("fp32", "int8")])
        ratio = timed.ratio("fp32", "int8")
        print(
            f"| {layer.what} | {layer.rows} x {layer.inputs} -> {layer.outputs} "
            f"| {timed.latency('fp32').p50_ms:.4f} | {timed.latency('int8').p50_ms:.4f} | {ratio.point:.2f} "
            f"| {ratio.low:.2f} to {ratio.high:.2f} | {ratio.verdict.replace('_', ' ')} |",
            flush=True,
        )
    flags = ", ".join(flag for flag in isa_flags() if "vnni" in flag or "amx" in flag) or "none"
    print(f"\n{cpu_model()}, int8 instructions: {flags}; {args.threads} threads; torch {torch.__version__}")


def quantized(linear: nn.Linear) -> nn.Module:
    """The layer as the step quantize_dynamic makes it and the runtime `torch` executes it."""
    layer = Int8Linear(linear.in_features, linear.out_features)
    layer.weight, layer.scale = quantize_rows(linear.weight.detach())
    layer.bias = linear.bias.detach().clone()
    lowered: nn.Module = dynamic_linear(layer)
    return lowered


if __name__ == "__main__":
    main()
