"""Tasks with code of the user's own: what they record, what they refuse, and who else is told of the code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from capstone_worker import schema, tasks
from capstone_worker.artifact.read import read_record
from capstone_worker.data.source import digest, resolve
from capstone_worker.errors import UserError
from capstone_worker.keys import installed_versions, task_key
from capstone_worker.models.own_code import Code
from capstone_worker.report import Event, never_stop
from capstone_worker.tasks.inputs import load_original
from capstone_worker.tasks.peak_memory import Load, peak_memory_mb

NET = """
from torch import nn


def small(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, num_classes),
    )
"""
MODEL = {"name": "mine", "arch": "custom", "image_size": 16}
NORMALISATION = {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.5, 1]}
Task = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "net.py").write_text(NET)
    data = resolve("fashion_mnist_mini", data_root=folder)
    settings = schema.validate("job", {"version": 1, "kind": "train"})["train"]
    few = {"precision": "fp32", "epochs": 1, "max_train_samples": 64}
    task: Task = {
        "id": "train",
        "kind": "train",
        "threads": torch.get_num_threads(),
        "spec": {
            "model": MODEL,
            "code": {"function": "small", "sha256": hashlib.sha256(NET.encode()).hexdigest()},
            "normalisation": NORMALISATION,
            "dataset": {"name": "fashion_mnist_mini", "source": "bundled"},
            "seed": 0,
            "train": {**settings, **few},
        },
        "inputs": {"dataset": digest(data)},
        "paths": {
            "dataset": str(data.root),
            "code": str(folder / "net.py"),
            "output": str(folder / "mine.pth"),
            "partial": str(folder / "partial"),
        },
    }
    return {**task, "key": task_key(task, installed_versions())}


def discard(event: Event) -> None:
    pass


def foreign(training: Task, folder: Path) -> Path:
    made: nn.Module = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )
    torch.save(made.state_dict(), folder / "theirs.pth")
    return folder / "theirs.pth"


def test_a_checkpoint_says_how_its_images_were_normalised_and_what_made_it(training: Task) -> None:
    tasks.run(training, discard, never_stop)
    record = read_record(Path(training["paths"]["output"]))
    assert record is not None
    assert record["model"] == {**MODEL, "family": "custom", "num_classes": 10}
    assert record["normalisation"] == NORMALISATION
    assert record["code"] == training["spec"]["code"]


def test_another_number_of_classes_is_refused_before_anything_is_trained(training: Task) -> None:
    other = {**training, "spec": {**training["spec"], "num_classes": 7}}
    with pytest.raises(UserError) as refused:
        tasks.run(other, discard, never_stop)
    assert (refused.value.code, refused.value.message, refused.value.hint) == (
        "model_wrong_classes",
        "model mine: its num_classes is 7, data set fashion_mnist_mini has 10",
        "Leave num_classes out, or name the data set that it belongs to",
    )


def test_a_foreign_file_has_what_the_task_tells_of_it(training: Task, tmp_path: Path) -> None:
    path = foreign(training, tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = load_original(training, path, sha256, dataset="fashion_mnist_mini", seed=0)
    assert loaded.record == {
        "model": {"arch": "custom", "family": "custom", "num_classes": 10, "image_size": 16},
        "code": training["spec"]["code"],
        "normalisation": NORMALISATION,
    }
    other = {**training, "spec": {**training["spec"], "num_classes": 7}}
    with pytest.raises(UserError) as refused:
        load_original(other, path, sha256)
    assert refused.value.message == (
        f"{path}: its weights do not fit net.py:small: 4.weight is float32 10x4, expected float32 7x4; "
        "4.bias is float32 10, expected float32 7"
    )


def test_peak_memory_of_a_foreign_file_is_measured_with_its_code(training: Task, tmp_path: Path) -> None:
    code = Code(Path(training["paths"]["code"]), "small", training["spec"]["code"]["sha256"])
    told = {"code": code.as_json(), "num_classes": 10}
    (peak,) = peak_memory_mb([Load(str(foreign(training, tmp_path)), MODEL, "torch", 1, 1, told)])
    assert peak > 50
