import hashlib
import os
from pathlib import Path

import pytest

from capstone_worker.data.source import BUNDLED, digest, resolve
from capstone_worker.errors import UserError


def message(call: pytest.ExceptionInfo[UserError]) -> tuple[str, str, str]:
    return call.value.code, call.value.message, call.value.hint


def test_bundled_set(tmp_path: Path) -> None:
    source = resolve("fashion_mnist_mini", data_root=tmp_path)
    assert (source.kind, source.classes[0], len(source.classes)) == ("bundled", "T-shirt/top", 10)
    assert source.content() == [
        "classes.txt",
        "test-images-idx3-ubyte.gz",
        "test-labels-idx1-ubyte.gz",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert digest(source) == "c61600f4b758061939bf03e142c06739d678c5a3a7794834e7fdbdd5a63ef59f"
    assert sum(path.stat().st_size for path in BUNDLED["fashion_mnist_mini"].iterdir()) < 8e6


def test_a_folder_in_the_data_root_wins_over_the_bundled_set(pets: Path) -> None:
    root = pets.rename(pets.with_name("fashion_mnist_mini"))
    source = resolve("fashion_mnist_mini", data_root=root.parent)
    assert (source.kind, source.root, source.classes) == ("folder", root, ("cat", "dog"))
    assert source.files["test"] == ("test/cat/0.png", "test/cat/1.png", "test/dog/0.png", "test/dog/1.png")


def test_digest_of_the_documented_form(tmp_path: Path, cache: Path) -> None:
    """The same folder has the same digest in the TypeScript tests."""
    names = [
        "test/a b/1.PNG",
        "test/a/1.png",
        "train/a b/1.jpeg",
        "train/a/Zoë.png",
        "train/a/\U0001f600.png",
    ]
    names.append("train/a/\uff5e.png")  # in UTF-16 it would come after the emoji, in UTF-8 it comes before
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    ordered = [*names[:4], names[5], names[4]]
    source = resolve("tiny", data_root=tmp_path, path=tmp_path / "train" / "..")

    assert source.content() == ordered
    lines = "".join(f"{name}\0{hashlib.sha256(name.encode()).hexdigest()}\n" for name in ordered)
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert expected == "9799fdeb000003525a9e5127d6c3469d8816f29f3d7ed943c71a6cc872e34715"
    assert digest(source) == expected

    manifest = f"{tmp_path}\n" + "".join(
        f"{name}\0{len(name.encode())}\0{1_700_000_000_123_456_789}\n" for name in ordered
    )
    cached = cache / "manifests" / hashlib.sha256(manifest.encode()).hexdigest()
    assert cached.read_text() == f"{expected}\n"
    cached.write_text("torn")
    assert digest(source) == expected
    cached.write_text("0" * 64 + "\n")
    assert digest(source) == "0" * 64


def test_unknown_set_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as call:
        resolve("cifar10", data_root=tmp_path)
    assert message(call) == (
        "dataset_missing",
        f"data set cifar10: no folder {tmp_path}/cifar10/train and none bundled",
        f"Put the images into {tmp_path}/cifar10/train/<class>/ and {tmp_path}/cifar10/test/<class>/, "
        "or use a bundled set: fashion_mnist_mini",
    )


def test_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=tmp_path, path=tmp_path / "pets")
    assert message(call) == (
        "dataset_missing",
        f"data set pets: {tmp_path}/pets is not a folder",
        "Give the folder that holds train/<class>/ and test/<class>/",
    )


def test_empty_class_is_named(pets: Path) -> None:
    for image in (pets / "test" / "dog").glob("*.png"):
        image.unlink()
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "dataset_class_empty",
        f"data set pets: class dog has no images in {pets}/test/dog",
        "Add images (.bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp), "
        "or remove the class from train and test",
    )


@pytest.mark.parametrize("split, other", [("train", "test"), ("test", "train")])
def test_class_in_one_split_only(pets: Path, split: str, other: str) -> None:
    (pets / split / "emu").mkdir()
    (pets / split / "yak").mkdir()
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "dataset_classes",
        f"data set pets: class emu of {pets}/{split} is missing from {pets}/{other}, and 1 more",
        f"Both splits need the same class folders: add {pets}/{other}/emu or remove {pets}/{split}/emu",
    )


def test_fewer_than_two_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "cat").mkdir(parents=True)
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=tmp_path, path=tmp_path)
    assert message(call) == (
        "dataset_classes",
        f"data set pets: expected at least 2 class folders in {tmp_path}/train, found 1",
        "Put the images of each class into a folder of its own, named for the class",
    )


def test_missing_split(pets: Path) -> None:
    (pets / "test").rename(pets / "val")
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "dataset_layout",
        f"data set pets: {pets} has no folder test",
        f"Put the images into {pets}/train/<class>/ and {pets}/test/<class>/",
    )


def test_name_that_is_not_utf8(pets: Path) -> None:
    (pets / "train" / "cat" / os.fsdecode(b"caf\xe9.png")).touch()
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "dataset_file_name",
        f"{pets}/train/cat: the name b'caf\\xe9.png' is not UTF-8",
        "Rename it: names are part of the data set's digest, which is computed in UTF-8",
    )
