"""What a network says to images, and how often it is right."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import Stopped
from ..report import Report, ShouldStop
from ..report import phase as begin_phase
from ..runtimes.runtime import Forward


def logits(
    forward: Forward,
    images: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int,
    should_stop: ShouldStop,
    report: Report,
    phase: str,
) -> Tensor:
    """What the network says to each image, batch by batch; reports its progress in images.

    Args:
        forward: the network, in eval mode.
        images: (N, 3, S, S) uint8, N at least 1.
        mean: of each channel, 0 to 1.
        std: of each channel, above 0.
        batch_size: images in one call; the last may have fewer.
        should_stop: asked before every batch.
        report: hears ``phase`` once and ``progress`` after every batch.
        phase: what this part of the task is called, for example ``evaluate original``.

    Returns:
        (N, C) float32.

    Raises:
        Stopped: asked to stop.
    """
    begin_phase(report, phase)
    channel_mean = torch.tensor(mean).view(-1, 1, 1)
    channel_std = torch.tensor(std).view(-1, 1, 1)
    batches = []
    done, started = 0, time.monotonic()
    for batch in images.split(batch_size):
        if should_stop():
            raise Stopped
        with torch.no_grad():
            batches.append(forward((batch / 255 - channel_mean) / channel_std).float())
        done += len(batch)
        rate = done / max(time.monotonic() - started, 1e-9)
        report(
            {
                "type": "progress",
                "phase": phase,
                "done": done,
                "total": len(images),
                "unit": "images",
                "rate": rate,
                "eta_s": (len(images) - done) / rate,
            }
        )
    return torch.cat(batches)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is the label's. logits (N, C), labels (N,) int64 -> (N,) bool."""
    return logits.argmax(dim=1) == labels


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in percent, 0 to 100. logits (N, C), labels (N,) int64, N at least 1."""
    return 100 * int(correct(logits, labels).sum()) / len(labels)
