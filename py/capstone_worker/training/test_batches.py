from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from capstone_worker.training.batches import (
    CROP,
    Epoch,
    augmented,
    cut_out,
    draw_epoch,
    normalized,
    random_state,
)
from capstone_worker.training.config import TrainConfig

IMAGES = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_crop_and_flip_against_padding_one_image_at_a_time(config: TrainConfig) -> None:
    batch = draw_epoch(torch.arange(20), config, seed=0, epoch=0, size=8)
    found = augmented(IMAGES, batch)
    padded = F.pad(IMAGES.float(), (CROP,) * 4, mode="reflect").to(torch.uint8)
    for image, index, top, left, flip in zip(
        found, batch.order, batch.top, batch.left, batch.flip, strict=True
    ):
        crop = padded[index, :, CROP + top : CROP + top + 8, CROP + left : CROP + left + 8]
        assert torch.equal(image, crop.flip(2) if flip else crop)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert len(set(batch.top.tolist())) > 3
    assert 0 < int(batch.flip.sum()) < 20


def test_no_augmentation_only_shuffles(config: TrainConfig) -> None:
    batch = draw_epoch(torch.arange(20), replace(config, augment="none"), seed=0, epoch=0, size=8)
    assert torch.equal(augmented(IMAGES, batch), IMAGES[batch.order])


def test_flip_does_not_shift(config: TrainConfig) -> None:
    batch = draw_epoch(torch.arange(20), replace(config, augment="flip"), seed=0, epoch=0, size=8)
    assert int(batch.top.abs().sum() + batch.left.abs().sum()) == 0
    assert 0 < int(batch.flip.sum()) < 20


def test_alternating_flip_mirrors_each_image_in_every_other_epoch(config: TrainConfig) -> None:
    settings = replace(config, augment="crop_altflip")
    first, second, third = (draw_epoch(torch.arange(20), settings, 3, epoch, size=8) for epoch in range(3))
    mirrored = [epoch.flip[epoch.order.argsort()] for epoch in (first, second, third)]
    assert torch.equal(mirrored[0], ~mirrored[1])
    assert torch.equal(mirrored[0], mirrored[2])
    assert 0 < int(mirrored[0].sum()) < 20
    assert not torch.equal(first.top, second.top)


def test_cutout_one_image_at_a_time(config: TrainConfig) -> None:
    batch = draw_epoch(torch.arange(20), config, seed=0, epoch=0, size=8)
    images = torch.ones(20, 3, 8, 8)
    found = cut_out(images.clone(), batch, side=4)
    for image, hole in zip(found, batch.hole.tolist(), strict=True):
        expected = torch.ones(3, 8, 8)
        top, left = (max(0, middle - 2) for middle in hole)
        expected[:, top : hole[0] + 2, left : hole[1] + 2] = 0
        assert torch.equal(image, expected)
    assert len({(image == 0).sum().item() for image in found}) > 1, "some reach over the edge"
    assert torch.equal(cut_out(images.clone(), batch, side=0), images)


def test_every_image_once_and_no_tiny_batch(config: TrainConfig) -> None:
    batches = draw_epoch(torch.arange(100, 229), config, seed=0, epoch=0, size=8).split(3)
    assert [len(batch.order) for batch in batches] == [43, 43, 43]
    assert sorted(torch.cat([batch.order for batch in batches]).tolist()) == list(range(100, 229))


@pytest.mark.parametrize("other", [(1, 0), (0, 1), (2**32, 0)])
def test_seed_and_epoch_decide(config: TrainConfig, other: tuple[int, int]) -> None:
    def order(seed: int, epoch: int) -> Epoch:
        return draw_epoch(torch.arange(100), config, seed, epoch, size=8)

    assert torch.equal(order(0, 0).order, order(0, 0).order)
    assert not torch.equal(order(0, 0).order, order(*other).order)
    assert random_state(*other) != random_state(0, 0)


def test_normalized() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    expected = (IMAGES.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    found = normalized(IMAGES, mean, std)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)
