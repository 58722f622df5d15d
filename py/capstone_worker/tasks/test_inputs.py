"""Models on the images of a task: their classes have to be the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from torch import fx, nn

from ..data.source import digest, resolve
from ..errors import UserError
from ..models.file import LoadedModel
from ..report import Event, never_stop
from .inputs import load_images

NAMES = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = resolve("fashion_mnist_mini", data_root=tmp_path_factory.mktemp("data"))
    return {
        "spec": {"dataset": {"name": data.name, "source": data.kind}, "model": {"image_size": 32}},
        "inputs": {"dataset": digest(data)},
        "paths": {"dataset": str(data.root)},
    }


def loaded(task: dict[str, Any], record: dict[str, Any]) -> tuple[tuple[float, ...], list[Event]]:
    """Mean of the images that a model with this record gets, and what was said."""
    events: list[Event] = []
    model = LoadedModel(fx.symbolic_trace(nn.Identity()), record, "0" * 64, 1)
    return load_images(task, model, "m.pth", events.append, never_stop).mean, [
        event for event in events if event["type"] == "log"
    ]


def test_a_model_of_these_images(task: dict[str, Any]) -> None:
    record = {
        "model": {"num_classes": 10},
        "classes": NAMES,
        "normalisation": {"mean": [0.5, 0.25, 0.125], "std": [1, 1, 1]},
        "dataset": {"name": "fashion_mnist_mini", "digest": task["inputs"]["dataset"]},
    }
    assert loaded(task, record) == ((0.5, 0.25, 0.125), [])


def test_a_foreign_model_gets_the_normalisation_of_the_images(task: dict[str, Any]) -> None:
    mean, said = loaded(task, {"model": {"num_classes": 10}})
    assert mean == pytest.approx((0.2195,) * 3, abs=1e-4)
    assert said == []


def test_a_model_of_other_images_of_that_name(task: dict[str, Any]) -> None:
    record = {"model": {"num_classes": 10}, "classes": NAMES, "dataset": {"digest": "f" * 64}}
    (said,) = loaded(task, record)[1]
    assert said["level"] == "warning"
    assert said["message"].startswith("m.pth was trained on other images than the data set has now")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"model": {"num_classes": 7}},
            "m.pth: expected 10 classes, as the data set has, the file has 7",
        ),
        (
            {"model": {"num_classes": 10}, "classes": sorted(NAMES)},
            "m.pth: its class 0 is Ankle boot, that of the data set is T-shirt/top",
        ),
        (
            {"model": {"num_classes": 10}, "classes": [*NAMES[:9], "Boot"]},
            "m.pth: its class 9 is Boot, that of the data set is Ankle boot",
        ),
    ],
)
def test_other_classes(task: dict[str, Any], record: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        loaded(task, record)
    assert (refused.value.code, refused.value.message) == ("model_wrong_classes", message)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
