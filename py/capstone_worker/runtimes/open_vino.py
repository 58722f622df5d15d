"""The runtime `openvino`: OpenVINO on the CPU, in bfloat16 where the CPU has it and nobody asks otherwise."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .runtime import Prepared
from .source import Source

_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_PRODUCTS = ("Convolution", "FullyConnected", "MatMul")
"""How it calls, in a compiled model, what multiplies."""


class OpenVino:
    """A compiled model for each batch size.

    Statically quantised layers run in int8, dynamically quantised ones in floating point.
    """

    name = "openvino"
    packages = ("onnx", "openvino")

    def dtypes(self) -> tuple[str, ...]:
        """What the engine chooses by itself for this CPU, then float32."""
        chosen = str(_core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())
        return ("bfloat16", "float32") if chosen == "bf16" else ("float32",)

    def prepare(self, source: Source, *, threads: int, dtype: str | None = None) -> Prepared:
        """Compiled when a batch size is first met, in 0.1 s for ResNet-18: fixed shapes run faster."""
        model = _core().read_model(source.onnx)
        hint = _HINTS[dtype or self.dtypes()[0]]
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }

        @cache
        def request(batch_size: int) -> Any:  # noqa: ANN401 - openvino has no types for mypy
            model.reshape([batch_size, 3, source.image_size, source.image_size])
            return _core().compile_model(model, "CPU", settings).create_infer_request()

        def forward(images: Tensor) -> Tensor:
            # The request's own memory holds the result until the next call, which a caller may outlive.
            found = request(len(images)).infer([images.contiguous().numpy()], share_inputs=True)
            return torch.from_numpy(found[0])

        return Prepared(forward, _executed_in(request(1).get_compiled_model()))


def _executed_in(compiled: Any) -> str:  # noqa: ANN401 - openvino has no types for mypy
    """What most of its products are computed in."""
    layers = (node.get_rt_info() for node in compiled.get_runtime_model().get_ops())
    precisions = [
        layer["runtimePrecision"].astype(str)
        for layer in layers
        if "layerType" in layer and layer["layerType"].astype(str) in _PRODUCTS
    ]
    if 2 * sum(precision in ("u8", "i8") for precision in precisions) > len(precisions):
        return "int8"
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return {text: name for name, text in _HINTS.items()}[hint]


@cache
def _core() -> Any:  # noqa: ANN401 - openvino has no types for mypy
    import openvino

    return openvino.Core()
