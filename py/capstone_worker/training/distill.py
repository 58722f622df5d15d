"""Knowledge distillation: a network learns what another one says, and not the labels alone."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .loop import Objective


def teacher_of(original: nn.Module, device: torch.device) -> nn.Module:
    """A copy of the original as `distillation` wants it: on the device, in evaluation mode, not trained."""
    teacher = copy.deepcopy(original).eval().requires_grad_(False).to(device)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return teacher


def distillation(
    teacher: nn.Module, *, temperature: float, weight: float, bf16: bool, label_smoothing: float = 0.0
) -> Objective:
    """(1 - weight) * cross-entropy + weight * T^2 * KL(teacher || student), both softened by T.

    Hinton, Vinyals and Dean 2015, arXiv 1503.02531; the factor T^2, with which the gradients of both parts
    keep their proportion, is theirs.

    Args:
        teacher: (B, 3, S, S) float32 -> logits (B, classes), in evaluation mode, where the student is.
        temperature: T, above 0.
        weight: of what the teacher says, 0 to 1.
        bf16: run the teacher under autocast.
        label_smoothing: of the cross-entropy, 0 to below 1.
    """

    def objective(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            said = teacher(images)
        softened = F.log_softmax(said.float() / temperature, 1)
        apart = F.kl_div(
            F.log_softmax(logits / temperature, 1), softened, reduction="batchmean", log_target=True
        )
        known = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        return (1 - weight) * known + weight * temperature**2 * apart

    return objective
