"""The textbook's compression, which ours is measured against: torch.nn.utils.prune and dynamic int8.

    python benchmarks/textbook/compress.py --checkpoint textbook.pth --level 3 --output textbook_l3.pt

One level in one process, as people do it; amounts and levels of int8 as in recipes/classic.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from model import AMOUNTS, INT8_FROM, quantized, resnet18
from torch import nn
from torch.nn.utils import prune


def main() -> None:
    """Prune, quantize, save the state_dict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--level", type=int, choices=range(1, 6), required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()

    network = resnet18()
    network.load_state_dict(torch.load(args.checkpoint, weights_only=True))
    weights = [
        (module, "weight") for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=AMOUNTS[args.level])
    for module, name in weights:
        prune.remove(module, name)
    if args.level >= INT8_FROM:
        network = quantized(network)
    torch.save(network.state_dict(), args.output)


if __name__ == "__main__":
    main()
