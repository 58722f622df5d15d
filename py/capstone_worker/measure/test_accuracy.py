import pytest
import torch
from torch import Tensor

from capstone_worker.errors import Stopped
from capstone_worker.measure.accuracy import accuracy, correct, logits
from capstone_worker.report import Event, never_stop

IMAGES = torch.arange(7 * 3 * 4, dtype=torch.uint8).view(7, 3, 2, 2)
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)


def test_logits_of_normalised_batches() -> None:
    events: list[Event] = []
    sizes = []

    def forward(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return images.flatten(1)

    found = logits(forward, IMAGES, MEAN, STD, 3, never_stop, events.append, "evaluate")
    by_hand = [
        [(value / 255 - MEAN[i // 4]) / STD[i // 4] for i, value in enumerate(image)]
        for image in IMAGES.flatten(1).tolist()
    ]
    assert sizes == [3, 3, 1]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor(by_hand))
    assert [(event["type"], event["phase"]) for event in events] == [("phase", "evaluate")] + 3 * [
        ("progress", "evaluate")
    ]
    assert [(event["done"], event["total"], event["unit"]) for event in events[1:]] == [
        (3, 7, "images"),
        (6, 7, "images"),
        (7, 7, "images"),
    ]


def test_stops_before_the_next_batch() -> None:
    batches: list[Tensor] = []

    def forward(images: Tensor) -> Tensor:
        batches.append(images)
        return images.flatten(1)

    with pytest.raises(Stopped):
        logits(forward, IMAGES, MEAN, STD, 3, lambda: len(batches) == 1, lambda event: None, "evaluate")


def test_accuracy() -> None:
    found = torch.tensor([[0.1, 0.9], [2.0, 1.0], [0.0, 3.0]])
    labels = torch.tensor([1, 1, 1])
    assert correct(found, labels).tolist() == [True, False, True]
    assert accuracy(found, labels) == pytest.approx(200 / 3)
