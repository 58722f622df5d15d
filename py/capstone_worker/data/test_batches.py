import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capstone_worker.data.batches import read_classes, read_split
from capstone_worker.data.cache import load
from capstone_worker.data.conftest import Official, make_official
from capstone_worker.data.published import PUBLISHED
from capstone_worker.data.source import resolve
from capstone_worker.errors import UserError
from capstone_worker.report import Event


def ignore(_: Event) -> None:
    pass


def test_pixels_fine_labels_and_class_names(
    tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = make_official(named)
    monkeypatch.setitem(PUBLISHED, named, official.published)
    official.extract(tmp_path)
    data = load(resolve(named, data_root=tmp_path), 32, ignore)
    assert np.array_equal(data.train_images.numpy(), official.images["train"])
    assert np.array_equal(data.test_images.numpy(), official.images["test"])
    assert data.train_labels.tolist() == official.labels["train"]
    assert data.test_labels.tolist() == official.labels["test"]
    assert list(data.classes) == official.classes


def test_torchvision_reads_the_same(
    tmp_path: Path, official: Official, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The independent judge, given the MD5s of these files."""
    from torchvision.datasets import CIFAR10

    official.extract(tmp_path)
    published = official.published
    monkeypatch.setattr(CIFAR10, "train_list", [list(entry) for entry in published.train.items()])
    monkeypatch.setattr(CIFAR10, "test_list", [list(entry) for entry in published.test.items()])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": published.meta["batches.meta"]})
    theirs = CIFAR10(str(tmp_path), train=True)
    images, labels = read_split(tmp_path / published.folder, published, "train")
    assert np.array_equal(images.transpose(0, 2, 3, 1), theirs.data)
    assert labels.tolist() == theirs.targets
    assert list(read_classes(tmp_path / published.folder, published)) == theirs.classes


def test_other_sizes_are_resized(tmp_path: Path, official: Official) -> None:
    official.extract(tmp_path)
    data = load(resolve("cifar10", data_root=tmp_path), 40, ignore)
    image = Image.fromarray(official.images["test"][3].transpose(1, 2, 0))
    expected = np.asarray(image.resize((40, 40), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(data.test_images[3].numpy(), expected)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_another_file_is_named(tmp_path: Path, official: Official, file: str) -> None:
    folder = official.extract(tmp_path)
    damaged = official.files[file][:-1]
    (folder / file).write_bytes(damaged)
    with pytest.raises(UserError) as call:
        load(resolve("cifar10", data_root=tmp_path), 32, ignore)
    found = hashlib.md5(damaged, usedforsecurity=False).hexdigest()
    assert (call.value.code, call.value.message, call.value.hint) == (
        "dataset_file_damaged",
        f"{folder}/{file}: expected the published file with MD5 {official.published.md5s[file]}, "
        f"found one with {found}",
        "Remove it, then run the same command again: it is taken from the archive or downloaded anew",
    )


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch attacked",)


def test_a_pickle_of_the_right_md5_runs_nothing(
    tmp_path: Path, official: Official, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = pickle.dumps({"data": Attack()})
    (tmp_path / "test_batch").write_bytes(hostile)
    found = hashlib.md5(hostile, usedforsecurity=False).hexdigest()
    with pytest.raises(pickle.UnpicklingError, match=r"^posix\.system is no part of a batch"):
        read_split(tmp_path, replace(official.published, test={"test_batch": found}), "test")
    assert not (tmp_path / "attacked").exists()
