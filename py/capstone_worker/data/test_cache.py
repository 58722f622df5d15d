import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from capstone_worker.data.cache import Dataset, Decoded, load
from capstone_worker.data.decode import open_split
from capstone_worker.data.source import DataSource, digest, resolve
from capstone_worker.errors import MachineError, Stopped, UserError
from capstone_worker.report import Event


def load_pets(root: Path, events: list[Event], image_size: int = 8) -> Dataset:
    return load(resolve("pets", data_root=root.parent), image_size, events.append)


def test_images_labels_and_statistics(pets: Path) -> None:
    events: list[Event] = []
    data = load_pets(pets, events)
    expected = np.stack([np.asarray(Image.open(pets / "train" / "dog" / f"{n}.png")) for n in range(3)])
    assert np.array_equal(data.train_images[3:].numpy(), expected.transpose(0, 3, 1, 2))
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_labels.tolist() == [0, 0, 1, 1]
    scaled = data.train_images.double() / 255
    np.testing.assert_allclose(data.mean, scaled.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(data.std, scaled.std((0, 2, 3), correction=0), rtol=1e-12)
    decoding = {"type": "phase", "phase": "decode"}
    counts = {"type": "progress", "phase": "decode", "unit": "images", "eta_s": 0}
    assert [{**event, "rate": 0} for event in events] == [
        {**decoding, "rate": 0},
        {**counts, "done": 6, "total": 6, "rate": 0},
        {**decoding, "rate": 0},
        {**counts, "done": 4, "total": 4, "rate": 0},
    ]


def test_progress_says_how_long_the_rest_takes(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capstone_worker.data.decode_side_by_side.CHUNK", 4)
    events: list[Event] = []
    decoded(pets, events).part("train")
    first, last = (event for event in events if event["type"] == "progress")
    assert (first["done"], last["done"]) == (4, 6)
    assert first["eta_s"] == pytest.approx(2 / first["rate"])


def test_decoded_once_and_never_written_to(pets: Path) -> None:
    first = load_pets(pets, [])
    before = first.train_images.clone()
    first.train_images.zero_()
    events: list[Event] = []
    again = load_pets(pets, events)
    assert events == []
    assert torch.equal(again.train_images, before)


def decoded(pets: Path, events: list[Event]) -> Decoded:
    source = resolve("pets", data_root=pets.parent)
    return Decoded(digest(source), lambda: source, 8, events.append)


def test_a_part_decodes_no_more_than_itself(pets: Path, cache: Path) -> None:
    events: list[Event] = []
    part = decoded(pets, events).part("train", 4)
    assert part.labels.tolist() == [0, 0, 1, 1]
    assert [event["total"] for event in events if event["type"] == "progress"] == [4]
    scaled = part.images.double() / 255
    np.testing.assert_allclose(part.mean, scaled.mean((0, 2, 3)), rtol=1e-12)
    assert [path.name.rpartition("-8-")[2] for path in (cache / "data").iterdir()] == ["train-4"]


def test_a_part_is_the_same_where_all_have_been_decoded(pets: Path) -> None:
    alone = decoded(pets, []).part("train", 4)
    decoded(pets, []).part("train")
    events: list[Event] = []
    of_all = decoded(pets, events).part("train", 4)
    assert events == []
    assert torch.equal(of_all.images, alone.images)
    assert torch.equal(of_all.labels, alone.labels)
    assert (of_all.mean, of_all.std, of_all.classes) == (alone.mean, alone.std, alone.classes)


def test_more_than_there_are_is_all(pets: Path) -> None:
    assert decoded(pets, []).part("test", 100).labels.tolist() == [0, 0, 1, 1]


def test_training_on_a_part_decodes_that_and_the_test_images(pets: Path) -> None:
    events: list[Event] = []
    data = decoded(pets, events).whole(max_train_samples=2)
    assert [event["total"] for event in events if event["type"] == "progress"] == [2, 4]
    assert (len(data.train_labels), len(data.test_labels)) == (2, 4)


def test_files_are_asked_for_where_something_has_to_be_decoded(pets: Path) -> None:
    part = decoded(pets, []).part("test")

    def gone() -> DataSource:
        raise AssertionError("asked for")

    digest_now = digest(resolve("pets", data_root=pets.parent))
    assert torch.equal(Decoded(digest_now, gone, 8, lambda _: None).part("test").images, part.images)


def test_other_sizes_are_resized_and_kept_apart(pets: Path) -> None:
    assert load_pets(pets, [], 5).train_images.shape == (6, 3, 5, 5)
    assert load_pets(pets, [], 8).train_images.shape == (6, 3, 8, 8)


def test_gray_and_transparent_images_become_rgb(pets: Path) -> None:
    Image.new("L", (8, 8), 7).save(pets / "train" / "cat" / "0.png")
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(pets / "train" / "cat" / "1.png")
    images = load_pets(pets, []).train_images
    assert images[0, :, 0, 0].tolist() == [7, 7, 7]
    assert images[1, :, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("white", "warnings"), [(4095, 1), (65535, 0)])
def test_12_bits_in_files_of_16_are_warned_of(pets: Path, white: int, warnings: int) -> None:
    for image in (pets / "train").glob("*/[0-9].png"):
        Image.fromarray(np.full((8, 8), white, np.uint16)).save(image)
    events: list[Event] = []
    load_pets(pets, events)
    said = [event["message"] for event in events if event["type"] == "log"]
    assert len(said) == warnings
    assert all("the brightest training pixel is 15 of 255" in message for message in said)


def test_constant_channel_has_deviation_one(pets: Path) -> None:
    for image in (pets / "train").glob("*/[0-9].png"):
        Image.new("RGB", (8, 8), (255, 0, 0)).save(image)
    data = load_pets(pets, [])
    assert (data.mean, data.std) == ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_interrupted_decoding_leaves_nothing_under_the_final_name(pets: Path, cache: Path) -> None:
    def interrupt(event: Event) -> None:
        if event["type"] == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(resolve("pets", data_root=pets.parent), 8, interrupt)
    assert [path.name for path in (cache / "data").iterdir() if path.suffix != ".lock"] == []
    assert len(load_pets(pets, []).train_labels) == 6


def test_leftovers_of_a_killed_process_are_replaced(pets: Path, cache: Path) -> None:
    data = load_pets(pets, [])
    folder = cache / "data" / f"{data.digest}-8-train"
    (folder / "meta.json").unlink()
    folder.with_name(f"{folder.name}.partial").mkdir()
    assert torch.equal(load_pets(pets, []).train_images, data.train_images)
    assert (folder / "meta.json").is_file()


def test_two_at_once_decode_once(pets: Path) -> None:
    events: list[Event] = []
    threads = [threading.Thread(target=load_pets, args=(pets, events)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    phases = [event["phase"] for event in events if event["type"] == "phase"]
    assert phases.count("decode") == 2  # train and test
    assert set(phases) <= {"decode", "wait"}  # where decoding takes long, the others say that they wait


def test_decoding_that_is_killed_is_done_again(pets: Path, cache: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from capstone_worker.data.cache import load;"
        "from capstone_worker.data.source import resolve;"
        "kill = lambda event: event['type'] == 'progress' and os.kill(os.getpid(), 9);"
        "load(resolve('pets', data_root=Path(sys.argv[1])), 8, kill)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, "-c", program, pets.parent], env=environment, check=False, capture_output=True
    )
    assert killed.returncode == -9
    left = sorted(path.suffix for path in (cache / "data").iterdir())
    assert left == [".lock", ".partial"]
    data = load_pets(pets, [])
    assert len(data.train_labels) == 6
    names = sorted(path.name for path in (cache / "data").iterdir())
    assert names == [f"{data.digest}-8-test", f"{data.digest}-8-train"]


@pytest.mark.parametrize("file", ["train/images.npy", "test/labels.npy", "train/meta.json"])
@pytest.mark.parametrize("damage", ["shorter", "empty", "missing"])
def test_a_damaged_cache_is_made_again(pets: Path, cache: Path, file: str, damage: str) -> None:
    before = load_pets(pets, []).train_images.clone()
    (damaged,) = (cache / "data").glob(f"*-{file}")
    whole = damaged.read_bytes()
    match damage:
        case "shorter":
            damaged.write_bytes(whole[:-10])
        case "empty":
            damaged.write_bytes(b"")
        case "missing":
            damaged.unlink()
    assert torch.equal(load_pets(pets, []).train_images, before)
    assert damaged.read_bytes() == whole


def test_what_is_mapped_outlives_a_cleared_cache(pets: Path, cache: Path) -> None:
    data = load_pets(pets, [])
    before = data.train_images.clone()
    shutil.rmtree(cache / "data")
    assert torch.equal(data.train_images, before)
    assert torch.equal(load_pets(pets, []).train_images, before)


def test_stops_between_images(pets: Path, cache: Path) -> None:
    with pytest.raises(Stopped):
        load(resolve("pets", data_root=pets.parent), 8, lambda _: None, lambda: True)
    assert list((cache / "data").iterdir()) == []


def test_stops_while_it_waits(pets: Path, cache: Path) -> None:
    source = resolve("pets", data_root=pets.parent)
    events: list[Event] = []
    (cache / "data").mkdir(parents=True)
    with FileLock(cache / "data" / f"{digest(source)}-8-train.lock"), pytest.raises(Stopped):
        load(source, 8, events.append, lambda: events == [{"type": "phase", "phase": "wait"}])


def test_files_that_change_while_they_are_decoded(pets: Path, cache: Path) -> None:
    def change(event: Event) -> None:
        if event["type"] == "progress":
            (pets / "train" / "cat" / "0.png").write_bytes((pets / "train" / "dog" / "0.png").read_bytes())

    with pytest.raises(UserError) as call:
        load(resolve("pets", data_root=pets.parent), 8, change)
    assert (call.value.code, call.value.message, call.value.hint) == (
        "dataset_changed",
        f"data set pets: {pets} was changed while it was decoded",
        "Run the same command again: it plans anew with what is there now",
    )
    assert list((cache / "data").iterdir()) == []


def test_files_that_change_between_two_parts(pets: Path) -> None:
    source = resolve("pets", data_root=pets.parent)
    planned = digest(source)

    def find() -> DataSource:
        if digest(source) != planned:
            raise UserError("dataset_changed", "changed", "plan anew")
        return source

    data = Decoded(planned, find, 8, lambda _: None)
    data.part("train")
    (pets / "test" / "cat" / "0.png").write_bytes((pets / "test" / "dog" / "0.png").read_bytes())
    with pytest.raises(UserError, match="changed"):
        data.part("test")


def not_written(cache: Path, pets: Path, reason: str) -> tuple[str, str, str]:
    folder = cache / "data" / f"{digest(resolve('pets', data_root=pets.parent))}-8-train"
    return (
        "cache_not_written",
        f"{folder}: the decoded data set cannot be written: {reason}",
        f"Make room in {cache}, or set XDG_CACHE_HOME to a folder that can be written",
    )


def test_cache_that_cannot_be_written(pets: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "data").write_text("a file where a folder is needed")
    with pytest.raises(MachineError) as call:
        load_pets(pets, [])
    assert (call.value.code, call.value.message, call.value.hint) == not_written(cache, pets, "file exists")


def test_a_decoded_set_is_read_from_a_cache_that_cannot_be_written(pets: Path, cache: Path) -> None:
    data = load_pets(pets, [])
    as_ordinary_user = (
        "import os, sys; from pathlib import Path; from capstone_worker.data.cache import load;"
        "from capstone_worker.data.source import resolve;"
        "source = resolve('pets', data_root=Path(sys.argv[1]));"
        "os.geteuid() or os.seteuid(65534);"
        "print(load(source, 8, print).train_labels.tolist())"
    )
    for folder in [cache, *(path for path in cache.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    done = run_apart(as_ordinary_user, pets, cache)
    assert (done.stderr, done.stdout) == ("", f"{data.train_labels.tolist()}\n")


def run_apart(program: str, pets: Path, cache: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """A Python process in folders that any user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(pets.parent, Path(folder) / "data", copy_function=shutil.copy2)
        if cache.exists():
            shutil.copytree(cache, Path(folder) / "cache" / "capstone", copy_function=shutil.copy2)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "XDG_CACHE_HOME": f"{folder}/cache",
        }
        return subprocess.run(
            [*before, sys.executable, "-c", program, f"{folder}/data"],
            env=environment,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )


FULL_DISK = """
import sys
from pathlib import Path
from capstone_worker.data.cache import load
from capstone_worker.data.cache_home import cache_home
from capstone_worker.data.source import resolve
from capstone_worker.errors import CapstoneError
try:
    load(resolve("pets", data_root=Path(sys.argv[1])), 200, lambda event: None)
except CapstoneError as error:
    print(type(error).__name__, error.code, error.message.rpartition(": ")[2])
print(sorted(path.name for path in (cache_home() / "data").iterdir()))
"""


def test_full_disk(pets: Path, cache: Path) -> None:
    """A file system of one's own, with room for less than the 1.2 MB of pixels."""
    mounted = 'mkdir cache && mount -t tmpfs -o size=512k tmpfs cache && exec "$@"'
    done = run_apart(FULL_DISK, pets, cache, "unshare", "--mount", "sh", "-c", mounted, "sh")
    assert done.stderr == "", "this test needs root, or the right to mount (CAP_SYS_ADMIN)"
    assert done.stdout == "MachineError cache_not_written no space left on device\n[]\n"


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n torn"])
def test_broken_image_is_named(pets: Path, cache: Path, content: bytes) -> None:
    (pets / "test" / "dog" / "1.png").write_bytes(content)
    with pytest.raises(UserError) as call:
        load_pets(pets, [])
    assert (call.value.code, call.value.message, call.value.hint) == (
        "image_broken",
        f"{pets}/test/dog/1.png: the image cannot be decoded",
        "Remove the file or replace it, then run the same command again",
    )
    names = [path.name.rpartition("-8-")[2] for path in (cache / "data").iterdir()]
    assert names == ["train"], "which is whole"


@pytest.mark.parametrize("count, more", [(3, ""), (5, "; and 2 more")])
def test_broken_images_are_counted(pets: Path, count: int, more: str) -> None:
    images = sorted((pets / "train").glob("*/[0-9].png"))
    for image in images[:count]:
        image.write_bytes(b"")
    with pytest.raises(UserError) as call:
        load_pets(pets, [])
    named = "; ".join(f"{image}: the image cannot be decoded" for image in images[:3])
    assert (call.value.code, call.value.message, call.value.hint) == (
        "image_broken",
        f"data set pets: {count} of 6 images cannot be used: {named}{more}",
        "Remove the files or replace them, then run the same command again",
    )


@pytest.mark.parametrize("image_size", [32, 64])
def test_bundled_images(tmp_path: Path, image_size: int) -> None:
    source = resolve("fashion_mnist_mini", data_root=tmp_path)
    reader = open_split(source, "test", image_size)
    assert np.bincount(reader.labels).tolist() == [500] * 10
    image = reader.decode(0)
    assert image.shape == (3, image_size, image_size)
    assert image.dtype == np.uint8
    assert np.array_equal(image[0], image[2])
    assert image[:, :2].max() == 0 or image_size != 32
    assert image.max() > 128
