"""The original's logits, computed once for all levels that are compared with it.

``<cache_home>/logits/<key>.npy``, (N, C) float32.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..artifact.write import write_atomic
from ..data.cache_home import cache_home


@dataclass(frozen=True)
class LogitsKey:
    """Everything that can change a logit.

    Attributes:
        model_sha256: of the model file, which holds normalisation and input size.
        dataset_digest: of the data set's content.
        eval_samples: test images, chosen with ``seed``.
        seed: of the choice.
        runtime: and its threads, which decide the order of summation.
        torch: its version.
        threads: of the runtime.
    """

    model_sha256: str
    dataset_digest: str
    eval_samples: int
    seed: int
    runtime: str
    torch: str
    threads: int

    def digest(self) -> str:
        """SHA-256 in lower-case hex."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def cached_logits(key: LogitsKey, compute: Callable[[], Tensor]) -> Tensor:
    """The logits (N, C) float32 of that key: kept ones, else those of ``compute``, which are then kept.

    Of several processes that want the same logits one computes and the others wait. A damaged file is made
    again.

    Raises:
        UserError, MachineError: as `artifact.write.write_atomic`; and whatever ``compute`` raises.
    """
    path = cache_home() / "logits" / f"{key.digest()}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        kept = _read(path, key.eval_samples)
        if kept is not None:
            return kept
        computed = compute()
        buffer = io.BytesIO()
        np.save(buffer, computed.numpy(), allow_pickle=False)
        write_atomic(path, buffer.getvalue())
        return computed


def _read(path: Path, images: int) -> Tensor | None:
    """The logits in a file; None where there is no such file, or not one of ours."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_whole = isinstance(array, np.ndarray) and array.dtype == np.float32 and array.shape[:-1] == (images,)
    return torch.from_numpy(array) if is_whole else None
