"""From uint8 images in memory to the float batches a network takes.

Everything random about an epoch is drawn before its first step, so a step depends on (seed, epoch, step)
alone and training can go on from any step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from .config import TrainConfig

CROP = 4  # pixels


@dataclass(frozen=True)
class Epoch:
    """The batches of one epoch; each tensor has one entry for each training image, in the order of use.

    Attributes:
        order: (N,) int64, index of the image.
        top: (N,) int64, pixels the crop begins below the image's first row; negative: above it.
        left: (N,) int64, likewise for columns.
        flip: (N,) bool, mirrored left to right.
        hole: (N, 2) int64, row and column of the middle of its cutout.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    flip: Tensor
    hole: Tensor

    def to(self, device: torch.device) -> Epoch:
        """The same where the images are."""
        return Epoch(*(part.to(device) for part in self._parts))

    def split(self, batches: int) -> list[Epoch]:
        """As many batches, their sizes differing by at most 1."""
        parts = (part.tensor_split(batches) for part in self._parts)
        return [Epoch(*batch) for batch in zip(*parts, strict=True)]

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.order, self.top, self.left, self.flip, self.hole


def random_state(*key: int) -> int:
    """A seed for torch's CPU generator, 32 bits: of a longer one it would ignore the rest."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def draw_epoch(indices: Tensor, config: TrainConfig, seed: int, epoch: int, size: int) -> Epoch:
    """Shuffle the images `indices` (N,), of `size` x `size` pixels, and draw what becomes of each."""
    generator = torch.Generator().manual_seed(random_state(seed, epoch))
    count = len(indices)
    shuffled = torch.randperm(count, generator=generator)
    reach = CROP if config.augment.startswith("crop") else 0
    top, left = torch.randint(-reach, reach + 1, (2, count), generator=generator)
    chance = 0.0 if config.augment == "none" else 0.5
    flip = torch.rand(count, generator=generator) < chance
    if config.augment == "crop_altflip":
        flip = _flipped_first(count, seed)[shuffled] ^ (epoch % 2 == 1)
    hole = torch.randint(size, (count, 2), generator=generator)
    return Epoch(indices[shuffled], top, left, flip, hole)


def _flipped_first(count: int, seed: int) -> Tensor:
    """Of alternating flip, which images are mirrored in the even epochs: (N,) bool.

    In two epochs that follow each other a network sees both sides of every image, where random flips show a
    quarter of them from the left and a quarter from the right alone (Jordan 2024, arXiv 2404.00498).
    """
    generator = torch.Generator().manual_seed(random_state(seed))
    return torch.rand(count, generator=generator) < 0.5


def augmented(images: Tensor, batch: Epoch) -> Tensor:
    """The images of a batch, shifted and mirrored, by one indexing.

    Args:
        images: (N, 3, S, S) uint8, all of them.
        batch: of B images, on their device.

    Returns:
        (B, 3, S, S) uint8 in channels_last.
    """
    size = images.shape[-1]
    rows = _reflected(batch.top, size)
    columns = _reflected(batch.left, size)
    columns = torch.where(batch.flip[:, None], columns.flip(1), columns)
    # The slice between the indices puts the channels last.
    pixels = images[batch.order[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return pixels.permute(0, 3, 1, 2)


def cut_out(images: Tensor, batch: Epoch, side: int) -> Tensor:
    """A square of each normalised image set to the mean, in place; it may reach over the edge.

    DeVries and Taylor 2017, arXiv 1708.04552.

    Args:
        images: (B, C, S, S) float32.
        batch: of the same B images.
        side: of the square in pixels; 0: no square.
    """
    if side == 0:
        return images
    first = (batch.hole - side // 2)[:, :, None]
    position = torch.arange(images.shape[-1], device=batch.hole.device)
    rows, columns = ((first <= position) & (position < first + side)).unbind(1)
    squares = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill_(squares.to(images.device), 0.0)


def normalized(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 (B, 3, S, S) -> float32 in channels_last; mean and std of each channel are those of 0..1."""
    scaled = images.to(torch.float32, memory_format=torch.channels_last)
    middle, spread = (_by_channel(values, images.device) for values in (mean, std))
    return scaled.sub_(255 * middle).div_(255 * spread)


@cache
def _by_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """(1, C, 1, 1) float32. Kept: to bring numbers to a GPU is to wait until it has done all else."""
    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


def _reflected(start: Tensor, size: int) -> Tensor:
    """For each crop the positions it reads along one side: start (B,), -size < start < size -> (B, size)."""
    position = start[:, None] + torch.arange(size, device=start.device)
    last = size - 1
    mirrored: Tensor = last - (last - position.abs()).abs()
    return mirrored
