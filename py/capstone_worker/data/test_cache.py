import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from capstone_worker.data.cache import Dataset, load
from capstone_worker.data.decode import open_split
from capstone_worker.data.source import resolve
from capstone_worker.errors import UserError
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
    assert events[0] == {"type": "phase", "phase": "decode"}
    counts = {"type": "progress", "phase": "decode", "total": 10, "unit": "images"}
    assert [event | counts for event in events[1:]] == events[1:]
    assert [event["done"] for event in events[1:]] == [6, 10]
    assert events[1]["eta_s"] == pytest.approx(4 / events[1]["rate"])


def test_decoded_once_and_never_written_to(pets: Path) -> None:
    first = load_pets(pets, [])
    before = first.train_images.clone()
    first.train_images.zero_()
    events: list[Event] = []
    again = load_pets(pets, events)
    assert events == []
    assert torch.equal(again.train_images, before)


def test_other_sizes_are_resized_and_kept_apart(pets: Path) -> None:
    assert load_pets(pets, [], 5).train_images.shape == (6, 3, 5, 5)
    assert load_pets(pets, [], 8).train_images.shape == (6, 3, 8, 8)


def test_gray_and_transparent_images_become_rgb(pets: Path) -> None:
    Image.new("L", (8, 8), 7).save(pets / "train" / "cat" / "0.png")
    Image.new("RGBA", (8, 8), (1, 2, 3, 0)).save(pets / "train" / "cat" / "1.png")
    images = load_pets(pets, []).train_images
    assert images[0, :, 0, 0].tolist() == [7, 7, 7]
    assert images[1, :, 0, 0].tolist() == [1, 2, 3]


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
    folder = cache / "data" / f"{data.digest}-8"
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
    assert [event["type"] for event in events].count("phase") == 1


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n torn"])
def test_broken_image_is_named(pets: Path, content: bytes) -> None:
    (pets / "test" / "dog" / "1.png").write_bytes(content)
    with pytest.raises(UserError) as call:
        load_pets(pets, [])
    assert (call.value.code, call.value.message, call.value.hint) == (
        "image_broken",
        f"{pets}/test/dog/1.png: the image cannot be decoded",
        "Remove the file or replace it, then run the same command again",
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
