"""A network in the forms that engines read, each made when it is first asked for."""

from __future__ import annotations

import inspect
import io
import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx

from ..models import is_static
from .qdq import as_qdq

OPSET = 17
"""The newest that torch 2.2 writes."""

INPUT, OUTPUT = "images", "logits"


@dataclass(frozen=True)
class Source:
    """A network that is not changed any more.

    Attributes:
        network: takes normalised images (N, 3, S, S).
        image_size: S in pixels.
    """

    network: fx.GraphModule
    image_size: int

    @cached_property
    def onnx(self) -> bytes:
        """As an ONNX file for any number of images.

        A statically quantised network is written with its integers, see `qdq`; other int8 layers as the
        float32 they stand for.

        Raises:
            torch.onnx.errors.OnnxExporterError: an operation has no counterpart in ONNX.
        """
        # torch before 2.5 has but this exporter, and no word for it; newer ones call it old.
        which = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        file = io.BytesIO()
        # With gradients: without, torch's attention takes a path that the exporter does not know.
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                # in evaluation mode, whichever it is in
                as_qdq(self.network) if is_static(self.network) else self.network,
                (torch.zeros(1, 3, self.image_size, self.image_size),),
                file,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
                **which,
            )
        return file.getvalue()
