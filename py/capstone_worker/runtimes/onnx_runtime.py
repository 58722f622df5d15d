"""The runtime `onnxruntime`: ONNX Runtime on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models import is_static
from .runtime import Prepared
from .source import INPUT, OUTPUT, Source


class OnnxRuntime:
    """One session with a pool of its own.

    Statically quantised layers run in int8, dynamically quantised ones in the float32 they stand for.
    """

    name = "onnxruntime"
    packages = ("onnx", "onnxruntime")

    def dtypes(self) -> tuple[str, ...]:
        """float32 alone: its CPU kernels know no bfloat16."""
        return ("float32",)

    def prepare(self, source: Source, *, threads: int, dtype: str | None = None) -> Prepared:
        """A session for any number of images."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Its threads spin while a call runs, as by default, but not after it, when another engine is timed.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(source.onnx, options, providers=["CPUExecutionProvider"])

        def forward(images: Tensor) -> Tensor:
            return torch.from_numpy(session.run([OUTPUT], {INPUT: images.contiguous().numpy()})[0])

        return Prepared(forward, "int8" if is_static(source.network) else "float32")
