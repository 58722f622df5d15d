"""Distillation against its formula written out, one image at a time."""

import math

import torch
from torch import Tensor, nn

from capstone_worker.training.distill import distillation


class Says(nn.Module):
    """The same logits whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits * 1


IMAGES = torch.zeros(2, 3, 8, 8)
LABELS = torch.tensor([0, 2])
TEACHER = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]])
STUDENT = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 2.0, 0.5]])


def softmax(values: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def test_the_formula() -> None:
    temperature, weight = 3.0, 0.7
    expected = 0.0
    for teacher, student, label in zip(TEACHER.tolist(), STUDENT.tolist(), LABELS.tolist(), strict=True):
        p, q = softmax(teacher, temperature), softmax(student, temperature)
        apart = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        known = -math.log(softmax(student, 1.0)[label])
        expected += ((1 - weight) * known + weight * temperature**2 * apart) / 2
    objective = distillation(Says(TEACHER), temperature=temperature, weight=weight, bf16=False)
    assert math.isclose(objective(IMAGES, STUDENT, LABELS).item(), expected, rel_tol=1e-5)


def test_a_student_that_says_the_same_has_nothing_to_learn_and_the_teacher_learns_nothing() -> None:
    student = TEACHER.clone().requires_grad_(True)
    teacher = Says(TEACHER)
    loss = distillation(teacher, temperature=4.0, weight=1.0, bf16=False)(IMAGES, student, LABELS)
    loss.backward()
    assert student.grad is not None
    assert abs(loss.item()) < 1e-6
    assert student.grad.abs().max() < 1e-6
    assert teacher.logits.grad is None
