import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from capstone_worker.data.published import PUBLISHED
from capstone_worker.data.source import BUNDLED, describe, digest, resolve
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


@pytest.mark.parametrize("name, guess", [("pets", ""), ("cifar01", 'Did you mean "cifar10"? ')])
def test_unknown_set_says_where_to_put_it(tmp_path: Path, name: str, guess: str) -> None:
    with pytest.raises(UserError) as call:
        resolve(name, data_root=tmp_path)
    assert message(call) == (
        "dataset_missing",
        f"data set {name}: no folder {tmp_path}/{name}/train, and no set is known by that name",
        f"{guess}Put the images into {tmp_path}/{name}/train/<class>/ and {tmp_path}/{name}/test/<class>/, "
        "or use a known set: fashion_mnist_mini, cifar10, cifar100",
    )


@pytest.mark.parametrize(
    "name, folder, content",
    [
        (
            "cifar10",
            "cifar-10-batches-py",
            "fe463cf814c9efaa6f932ad92ab42c21f629345e57036dfdf1fcab4128f77896",
        ),
        (
            "cifar100",
            "cifar-100-python",
            "d717791ac68d7a917595086266fdca509841a551fd7f63c70ca362c54a62433c",
        ),
    ],
)
def test_published_set_is_known_before_it_is_there(
    tmp_path: Path, name: str, folder: str, content: str
) -> None:
    """The digests stand in the TypeScript tests too."""
    source = resolve(name, data_root=tmp_path / "x" / "..")
    assert (source.kind, source.root) == ("torchvision", tmp_path / folder)
    assert digest(source) == content


@pytest.mark.parametrize("name, constants", [("cifar10", CIFAR10), ("cifar100", CIFAR100)])
def test_published_constants_are_those_of_torchvision(name: str, constants: type[CIFAR10]) -> None:
    published = PUBLISHED[name]
    assert published.url == constants.url
    assert published.archive == constants.filename
    assert published.archive_md5 == constants.tgz_md5
    assert published.folder == constants.base_folder
    assert list(published.train.items()) == [tuple(entry) for entry in constants.train_list]
    assert list(published.test.items()) == [tuple(entry) for entry in constants.test_list]
    assert published.meta == {constants.meta["filename"]: constants.meta["md5"]}
    assert published.classes_key == constants.meta["key"]


def test_a_folder_in_the_data_root_wins_over_published_files(pets: Path) -> None:
    root = pets.rename(pets.with_name("cifar10"))
    assert resolve("cifar10", data_root=root.parent).kind == "folder"


def test_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=tmp_path, path=tmp_path / "pets")
    assert message(call) == (
        "dataset_missing",
        f"data set pets: {tmp_path}/pets is not a folder",
        "Give the folder that holds train/<class>/ and test/<class>/",
    )


def test_where_a_set_comes_from(tmp_path: Path) -> None:
    """The same words stand in the TypeScript tests."""

    def said(name: str) -> str:
        return describe(resolve(name, data_root=tmp_path))

    assert said("fashion_mnist_mini") == "bundled with capstone"
    archive = "cifar-100-python.tar.gz"
    assert said("cifar100") == f"{archive} (169 MB), downloaded into {tmp_path} when it is first needed"
    (tmp_path / archive).touch()
    assert said("cifar100") == f"{tmp_path}/{archive}, extracted when it is first needed"
    (tmp_path / "cifar-100-python").mkdir()
    for file in ("train", "test", "meta"):
        (tmp_path / "cifar-100-python" / file).touch()
    assert said("cifar100") == f"{tmp_path}/cifar-100-python"


def test_empty_class_is_named(pets: Path) -> None:
    for image in (pets / "test" / "dog").glob("*.png"):
        image.unlink()
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "dataset_class_empty",
        f"data set pets: class dog has no images in {pets}/test/dog",
        "Add images (.apng .avif .bmp .dib .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pbm .pcx .pgm .png "
        ".pnm .ppm .qoi .sgi .tga .tif .tiff .webp), or remove the class from train and test",
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


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_classes(tmp_path: Path, count: int) -> None:
    for split in ("train", "test"):
        tmp_path.joinpath(split, *["cat"][:count]).mkdir(parents=True)
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=tmp_path, path=tmp_path)
    assert message(call) == (
        "dataset_classes",
        f"data set pets: expected at least 2 class folders in {tmp_path}/train, found {count}",
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


_NOT_UTF8 = (
    "is not UTF-8",
    "Rename it: names are part of the data set's digest, which is computed in UTF-8",
)
_CONTROL = (
    "has control characters",
    "Rename it: names are printed, and these would change what the terminal shows",
)


@pytest.mark.parametrize(
    "folder, name, shown, refused",
    [
        ("train/cat", b"caf\xe9.png", r"caf\xe9.png", _NOT_UTF8),
        ("test", b"caf\xe9", r"caf\xe9", _NOT_UTF8),
        ("train", b"\x1b[31mred", r"\x1b[31mred", _CONTROL),
        ("test/dog", b"two\nlines.png", r"two\x0alines.png", _CONTROL),
        ("test", "a\u202eb".encode(), r"a\xe2\x80\xaeb", _CONTROL),
    ],
)
def test_name_that_cannot_be_printed(
    pets: Path, folder: str, name: bytes, shown: str, refused: tuple[str, str]
) -> None:
    path = pets / folder / os.fsdecode(name)
    if "/" in folder:
        path.touch()
    else:
        path.mkdir()
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    fault, hint = refused
    assert message(call) == ("dataset_file_name", f'{pets}/{folder}: the name "{shown}" {fault}', hint)


def test_links_that_lead_in_a_circle(pets: Path) -> None:
    (pets / "train" / "cat" / "loop.png").symlink_to("loop.png")
    with pytest.raises(UserError) as call:
        resolve("pets", data_root=pets.parent)
    assert message(call) == (
        "input_not_readable",
        f"{pets}/train/cat/loop.png cannot be read: its links lead in a circle",
        "Check its path and permissions",
    )


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


@pytest.mark.parametrize("unreadable", ["train", "train/cat", "test/dog/0.png"])
def test_what_may_not_be_read(pets: Path, unreadable: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may not be entered by others
        Path(folder).chmod(0o755)
        root = pets.rename(Path(folder) / "pets")
        (root / unreadable).chmod(0)
        with ordinary_user(), pytest.raises(UserError) as call:
            digest(resolve("pets", data_root=root.parent))
    assert message(call) == (
        "input_not_readable",
        f"{root}/{unreadable} cannot be read: permission denied",
        "Check its path and permissions",
    )


def test_digest_where_the_cache_cannot_be_written(pets: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where a folder is needed")
    source = resolve("pets", data_root=pets.parent)
    assert digest(source) == digest(source)
