"""The step `quantize_static`: convolutions and Linear layers compute in int8, with ranges found beforehand.

Batch norms are folded, a few training images show which values come up, and each value that becomes a byte
gets one scale and zero point. Jacob et al. 2018, arXiv 1712.05877; the choices are those that Nagel et al.
2021, arXiv 2106.08295, section 3, recommend after training: a scale for each output channel of a weight,
ranges of activations that lose least by rounding and cutting off together.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import HistogramObserver

from ..data.subset import balanced_subset
from ..errors import Stopped, UserError
from ..measure.cpu import Int8Backend, int8_backend
from ..models import Int8Weight, QuantizeEdge
from ..report import Report, progress
from ..training.batches import normalized
from .base import Applied, Context
from .fold_batch_norm import fold_batch_norms
from .int8_layers import with_int8_layers
from .not_finite import refuse_not_finite
from .place_edges import layers_to_quantize, place_edges

LARGEST: dict[Int8Backend, int] = {"x86_vnni": 255, "x86": 127, "qnnpack": 255}
"""The byte at the upper end of the calibrated range. x86 without VNNI adds two products in 16 bits.

What that bit is worth: ResNet-18 (95.18 % on CIFAR-10) comes to 95.15 % with 255 and 95.03 with 127; the same
class as the original for 99.71 and 99.34 % of the images; 0.0005 and 0.0013 nats from its answers.
"""


@dataclass(frozen=True)
class QuantizeStatic:
    """Quantise every Conv2d and Linear that the graph calls.

    Attributes:
        backend: whose kernels the file is for; ``auto``: this machine's. A file for x86 runs everywhere; one
            for x86_vnni (AVX-512 VNNI) or qnnpack has one bit more in its activations, and sums may overflow
            on an x86 without VNNI.
        calibration_samples: training images, the same number of each class; all where there are fewer.
        batch_size: of the calibration.
        weight_bits: of the integers, 2 to 8; fewer than 8 are stored and executed as int8 all the same.
    """

    backend: Int8Backend | Literal["auto"] = "auto"
    calibration_samples: int = 512
    batch_size: int = 64
    weight_bits: int = 8
    name: ClassVar[str] = "quantize_static"

    def __post_init__(self) -> None:
        """Refuse settings out of range, by UserError ``step_invalid``."""
        if self.backend not in ("auto", *LARGEST):
            raise UserError(
                "step_invalid",
                f"quantize_static, backend: expected auto, {', '.join(LARGEST)}, found {self.backend!r}",
                "Choose one of these",
            )
        for setting, value in (
            ("calibration_samples", self.calibration_samples),
            ("batch_size", self.batch_size),
        ):
            if value < 1:
                raise UserError(
                    "step_invalid",
                    f"quantize_static, {setting}: expected a number from 1, found {value}",
                    "Leave it out for the default",
                )
        if not 2 <= self.weight_bits <= 8:
            raise UserError(
                "step_invalid",
                f"quantize_static, weight_bits: expected a number from 2 to 8, found {self.weight_bits}",
                "Leave it out for the default, 8",
            )

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The quantised network.

        The record tells the resolved `backend`, `calibration_samples` (images that were used), `layers` and
        `weight_bits`.

        Raises:
            UserError: ``already_quantized``, ``nothing_to_quantize``, ``weights_not_finite``,
                ``activations_not_finite``.
            Stopped: asked to stop.
        """
        if any(isinstance(module, Int8Weight) for module in network.modules()):
            raise UserError(
                "already_quantized",
                "quantize_static: the network holds int8 weights already",
                "Leave out one of the steps that quantise",
            )
        quantized = copy.deepcopy(network).eval()
        fold_batch_norms(quantized)
        layers = layers_to_quantize(quantized)
        if not layers:
            raise UserError(
                "nothing_to_quantize",
                "quantize_static: the network has no Conv2d and no Linear layer",
                "Leave the step out of this model's recipe",
            )
        for name, layer in layers.items():
            for part, tensor in layer.named_parameters():
                refuse_not_finite(self.name, f"{name}.{part}", tensor)
        backend = int8_backend() if self.backend == "auto" else self.backend
        observers = place_edges(quantized, lambda: _Observer(LARGEST[backend]))
        samples = self._calibrate(quantized, context, report)
        for name, observer in observers.items():
            quantized.add_submodule(name, observer.edge())
        finished = with_int8_layers(quantized, self.weight_bits)
        record = {
            "step": self.name,
            "backend": backend,
            "calibration_samples": samples,
            "layers": len(layers),
            "weight_bits": self.weight_bits,
        }
        return Applied(finished, record)

    def _calibrate(self, network: fx.GraphModule, context: Context, report: Report) -> int:
        """Show the network training images; how many."""
        data = context.load()
        chosen = balanced_subset(data.train_labels, self.calibration_samples, context.seed)
        done, started = 0, time.monotonic()
        for batch in chosen.split(self.batch_size):
            if context.should_stop():
                raise Stopped
            with torch.no_grad():
                network(normalized(data.train_images[batch], data.mean, data.std))
            done += len(batch)
            seconds = time.monotonic() - started
            progress(report, self.name, done=done, total=len(chosen), unit="images", seconds=seconds)
        return done


class _Observer(nn.Module):
    """Stands where an edge will be, and remembers which values pass."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        # Of all ranges it takes the one with the least square error of rounding and cutting off.
        self.histogram = HistogramObserver(
            dtype=torch.quint8, qscheme=torch.per_tensor_affine, quant_min=0, quant_max=largest
        )

    def forward(self, values: Tensor) -> Tensor:
        if not values.isfinite().all():
            raise UserError(
                "activations_not_finite",
                "quantize_static: training images give NaN or infinity inside the network",
                "The training diverged: train again with a smaller learning rate",
            )
        self.histogram(values)
        return values

    def edge(self) -> QuantizeEdge:
        edge = QuantizeEdge()
        scale, zero_point = self.histogram.calculate_qparams()
        edge.scale.copy_(scale.squeeze())
        edge.zero_point.copy_(zero_point.squeeze())
        return edge
