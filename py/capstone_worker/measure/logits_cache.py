"""The original's logits, computed once for all levels that are compared with it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..report import Report, ShouldStop
from .kept import kept


@dataclass(frozen=True)
class LogitsKey:
    """Everything that can change a logit.

    Attributes:
        model_sha256: of the model file.
        record: what the file, and of a foreign one the spec, says of it: stem, input size,
            normalisation, code.
        dataset_digest: of the data set's content.
        eval_samples: test images, chosen with ``seed``.
        seed: of the choice.
        runtime: and its threads, which decide the order of summation.
        dtype: that it executes in.
        software: versions by package, of torch and of what the runtime needs.
        threads: of the runtime.
    """

    model_sha256: str
    record: Mapping[str, Any]
    dataset_digest: str
    eval_samples: int
    seed: int
    runtime: str
    dtype: str
    software: Mapping[str, str | None]
    threads: int


def cached_logits(
    key: LogitsKey, compute: Callable[[], Tensor], report: Report, should_stop: ShouldStop
) -> Tensor:
    """The logits (N, C) float32 of that key; raises as `kept`."""

    def encode(logits: Tensor) -> bytes:
        file = io.BytesIO()
        np.save(file, logits.numpy(), allow_pickle=False)
        return file.getvalue()

    def decode(data: bytes) -> Tensor:
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if array.dtype != np.float32 or array.shape[:-1] != (key.eval_samples,):
            raise ValueError("not the logits of these images")
        return torch.from_numpy(array)

    return kept("logits", key, compute, encode, decode, report, should_stop)
