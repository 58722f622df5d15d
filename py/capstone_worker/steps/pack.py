"""The step `pack`: weights become integers of 4 to 8 bits, and the file their entropy.

The network computes in float32 as before, with weights that are products of integer and scale; `save_model`
stores the integers, and loading gives the same products.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, fx, nn

from ..artifact.entropy_coding import Codec
from ..artifact.pack import Quantized, dequantized
from ..artifact.packed_layout import BITS
from ..data.subset import balanced_subset
from ..errors import Stopped, UserError
from ..models.packed import Packing, mark, pack
from ..report import Report, progress
from ..training.batches import normalized
from .base import Applied, Context
from .bits_by_sensitivity import choose_bits, divergence
from .channel_grid import quantize_channels
from .not_finite import refuse_not_finite

IMAGES = 256
"""Class-balanced images of the training set, on which layers are compared."""
_BATCH = 64


@dataclass(frozen=True)
class Pack:
    """Quantise the float weights of every convolution, Linear and attention; biases and norms stay float32.

    Args:
        bits: 4 to 8 of every weight, or ``auto``: of each layer as few of these as it can do with.
        codec: ``deflate``, or ``none`` for integers that are only bit-packed.
        max_divergence: for ``auto``: how far, in nats, the network's answers may move (`divergence`), on
            IMAGES training images. No other setting asks for images.
    """

    bits: int | Literal["auto"]
    codec: Codec
    max_divergence: float
    name: ClassVar[str] = "pack"

    def __post_init__(self) -> None:
        """Refuse settings out of range, by UserError ``step_invalid``."""
        if self.bits != "auto" and (type(self.bits) is not int or self.bits not in BITS):
            raise _invalid("bits", "4 to 8 or auto", self.bits, "Give a number of bits, for example 8")
        if self.codec not in ("deflate", "none"):
            raise _invalid("codec", "deflate or none", self.codec, "Choose one of these")
        if not 0 < self.max_divergence < float("inf"):
            raise _invalid(
                "max_divergence", "a number above 0", self.max_divergence, "Give one, such as 0.01"
            )

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The network with rounded weights, marked to be written packed; weights that are int8 stay.

        The record tells ``bits`` (a number where all layers have the same, else the layers of each number),
        ``divergence`` where it was measured, ``bytes_before`` of the network's tensors, and ``bytes_after``
        of its graph and tensors packed.

        Raises:
            UserError: ``weights_not_finite``.
            Stopped: asked to stop.
        """
        packed = copy.deepcopy(network).eval()
        weights = float_weights(packed)
        for name, weight in weights.items():
            refuse_not_finite(self.name, name, weight)
        before = sum(tensor.nbytes for tensor in packed.state_dict().values())
        said: dict[str, Any] = {}
        if self.bits == "auto":
            bits, said["divergence"] = self._sensitive(packed, weights, context, report)
        else:
            bits = dict.fromkeys(weights, self.bits)
        quantized = {}
        for name, weight in weights.items():
            integers, scale = quantize_channels(weight, bits[name])
            weight.copy_(dequantized(integers, scale))
            quantized[name] = Quantized(bits[name], scale)
        packing = Packing(quantized, self.codec)
        mark(packed, packing)
        payload, _ = pack(packed, packing)
        record = {
            "step": self.name,
            "codec": self.codec,
            "bits": _compact(bits),
            **said,
            "bytes_before": before,
            "bytes_after": len(payload),
        }
        return Applied(packed, record)

    def _sensitive(
        self, network: fx.GraphModule, weights: Mapping[str, Tensor], context: Context, report: Report
    ) -> tuple[dict[str, int], float]:
        """The bits of each weight for this budget, and the divergence they come to."""
        data = context.load()
        some = balanced_subset(data.train_labels, IMAGES, context.seed)
        images = normalized(data.train_images[some], data.mean, data.std)
        expected = _logits(network, images)
        kept = {name: weight.clone() for name, weight in weights.items()}
        trials = len(weights) + 1 + (4 * len(weights)).bit_length()
        started, done = time.monotonic(), 0

        def damage(bits: Mapping[str, int]) -> float:
            nonlocal done
            if context.should_stop():
                raise Stopped
            for name in bits:
                weights[name].copy_(dequantized(*quantize_channels(kept[name], bits[name])))
            found = divergence(expected, _logits(network, images))
            for name in bits:
                weights[name].copy_(kept[name])
            done = min(done + 1, trials)
            seconds = time.monotonic() - started
            progress(report, self.name, done=done, total=trials, unit="trials", seconds=seconds)
            return found

        sizes = {name: weight.numel() for name, weight in weights.items()}
        chosen = choose_bits(sizes, damage, self.max_divergence)
        return chosen.bits, chosen.damage


def float_weights(network: nn.Module) -> dict[str, Tensor]:
    """The float32 kernels and matrices by their names in a state_dict, sharing the network's memory.

    Of an attention both projections: its output's is a Linear.
    """
    found: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        of_attention = isinstance(module, nn.MultiheadAttention)
        if of_attention or isinstance(module, nn.Conv2d | nn.Linear):
            key = "in_proj_weight" if of_attention else "weight"
            weight = getattr(module, key).detach()
            if weight.dtype == torch.float32:
                found[f"{name}.{key}"] = weight
    return found


def _logits(network: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in images.split(_BATCH)])


def _compact(bits: Mapping[str, int]) -> int | dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in sorted(bits, key=lambda name: bits[name]):
        names.setdefault(str(bits[name]), []).append(name.removesuffix(".weight"))
    return next(iter(bits.values())) if len(names) == 1 else names


def _invalid(setting: str, expected: str, found: object, hint: str) -> UserError:
    return UserError("step_invalid", f"pack, {setting}: expected {expected}, found {found!r}", hint)
