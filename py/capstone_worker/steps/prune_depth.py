"""The step `prune_depth`: whole residual blocks go, those whose absence is felt least.

A trained ResNet bears the loss of single blocks (Veit et al. 2016, arXiv 1605.06431), and of equally many
multiplications a shallower network saves more time than a narrower one (Elkerdawy et al. 2020, arXiv
2007.05667). Which block is missed least is measured and not read off its weights: each is left out in turn,
the best is removed, and the rest are measured anew, because blocks can stand in for each other (as for
language models Song et al. 2024, SLEB, arXiv 2402.09025).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from ..data.subset import balanced_subset
from ..errors import Stopped, UserError
from ..measure.counts import parameter_counts
from ..measure.macs import macs
from ..report import Report, progress
from ..training.batches import normalized
from .base import Applied, Context
from .residual_blocks import ResidualBlock, residual_blocks, without_blocks

_IMAGES = 512
_BATCH = 64


@dataclass(frozen=True)
class PruneDepth:
    """Remove residual blocks until at least the share `ratio` (0 < ratio < 1) of the `target` is gone."""

    target: Literal["macs", "params"]
    ratio: float
    name: ClassVar[str] = "prune_depth"

    def __post_init__(self) -> None:
        """Refuse settings out of range, by UserError ``step_invalid``."""
        if self.target not in ("macs", "params"):
            raise UserError(
                "step_invalid",
                f"prune_depth, target: expected macs or params, found {self.target!r}",
                "Choose one of these",
            )
        if not 0 < self.ratio < 1:
            raise UserError(
                "step_invalid",
                f"prune_depth, ratio: expected a number above 0 and below 1, found {self.ratio}",
                "Give the share of the target to remove, for example 0.5",
            )

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The shallower network; the record names the `blocks` in the order in which they went.

        And `macs_before`, `macs_after`, `params_before`, `params_after`.

        Raises:
            UserError: ``no_residual_block``; ``target_not_reachable``; ``weights_not_finite``, the network's
                loss is no number.
            Stopped: asked to stop.
        """
        whole = copy.deepcopy(network).eval()

        def size(of: fx.GraphModule) -> int:
            return macs(of, context.image_size) if self.target == "macs" else parameter_counts(of).params

        blocks = residual_blocks(whole, context.image_size)
        before = size(whole)
        limit = before - max(1, round(self.ratio * before))
        self._check_reachable(before, limit, size(without_blocks(whole, blocks)), len(blocks))
        removed = _Search(whole, blocks, size, limit, _Loss(context), self.name, report).removed()
        pruned = without_blocks(whole, removed)
        return Applied(
            pruned,
            {
                "step": self.name,
                "target": self.target,
                "ratio": self.ratio,
                "blocks": [block.name for block in removed],
                "macs_before": macs(whole, context.image_size),
                "macs_after": macs(pruned, context.image_size),
                "params_before": parameter_counts(whole).params,
                "params_after": parameter_counts(pruned).params,
            },
        )

    def _check_reachable(self, before: int, limit: int, least: int, blocks: int) -> None:
        if not blocks:
            raise UserError(
                "no_residual_block",
                "prune_depth: the network has no residual block that could be removed",
                "Choose another step for it: this one takes what computes x + f(x) of one shape",
            )
        if least > limit:
            reachable = math.floor(1000 * (before - least) / before) / 1000
            raise UserError(
                "target_not_reachable",
                f"prune_depth, ratio: expected at most {reachable}, which is the share of the "
                f"{self.target} in the network's {blocks} removable blocks, found {self.ratio}",
                "Choose a smaller ratio, or combine it with another step",
            )


class _Loss:
    """The mean cross-entropy of a network on a class-balanced part of the training images."""

    def __init__(self, context: Context) -> None:
        data = context.load()
        chosen = balanced_subset(data.train_labels, _IMAGES, context.seed)
        self._images, self._labels = data.train_images[chosen], data.train_labels[chosen]
        self._mean, self._std = data.mean, data.std
        self._should_stop = context.should_stop

    def of(self, network: fx.GraphModule, enough: float = math.inf) -> float:
        """In nats; infinite where a logit is no number.

        Args:
            network: in eval mode.
            enough: where the loss is seen to be above it, any number between it and the loss is returned.

        Raises:
            Stopped: asked to stop.
        """
        total = 0.0
        for images, labels in zip(self._images.split(_BATCH), self._labels.split(_BATCH), strict=True):
            if self._should_stop():
                raise Stopped
            total += self._sum(network, images, labels) / len(self._labels)
            if total > enough:  # no image has a negative loss
                break
        return math.inf if math.isnan(total) else total

    def _sum(self, network: fx.GraphModule, images: Tensor, labels: Tensor) -> float:
        with torch.inference_mode():
            logits = network(normalized(images, self._mean, self._std))
            return float(F.cross_entropy(logits, labels, reduction="sum"))


@dataclass
class _Search:
    """Greedy, as for covering what is to be removed at the least damage.

    The damage of a block is the rise of the loss when it goes. It is divided by what the block saves, as far
    as that is still missing: the greedy rule for covering problems (Wolsey 1982, Combinatorica 2:385-393),
    without which a ResNet's many cheap blocks would go before the few that matter to its size. A block
    without which the loss falls goes first, whatever it saves.

    Attributes:
        whole: the network.
        blocks: its blocks; all of them together save enough.
        size: what a network has of the target.
        limit: what it may have in the end.
        loss: of a network.
        phase: what progress is reported of.
        report: hears it.
    """

    whole: fx.GraphModule
    blocks: list[ResidualBlock]
    size: Callable[[fx.GraphModule], int]
    limit: int
    loss: _Loss
    phase: str
    report: Report

    def removed(self) -> list[ResidualBlock]:
        """The blocks to remove, in the order found."""
        self._started, self._measured = time.monotonic(), 0
        self._expected = self._expected_measurements()
        loss, size = self.loss.of(self.whole), self.size(self.whole)
        if not math.isfinite(loss):
            raise UserError(
                "weights_not_finite",
                "prune_depth: the network's loss on its training images is not a finite number",
                "The training diverged: train again with a smaller learning rate",
            )
        gone: list[ResidualBlock] = []
        felt = dict.fromkeys(self.blocks, 0.0)
        while size > self.limit:
            block = self._next(gone, felt, loss, size)
            gone = [*(inner for inner in gone if inner.total not in block.branch), block]
            smaller = without_blocks(self.whole, gone)
            loss, size = self.loss.of(smaller), self.size(smaller)
        return self._put_back(gone, loss)

    def _next(
        self, gone: list[ResidualBlock], felt: dict[ResidualBlock, float], loss: float, size: int
    ) -> ResidualBlock:
        """The block to remove next; `felt`, the damage of each when last measured, is brought up to date.

        The most promising are measured first, because measuring another ends where it is seen to be worse.
        """
        left = [
            block
            for block in self.blocks
            if block not in gone and not any(block.total in outer.branch for outer in gone)
        ]
        best, least = left[0], math.inf
        for block in sorted(left, key=felt.__getitem__):
            smaller = without_blocks(self.whole, [*gone, block])
            # Blocks that share their weights save none alone.
            saved = max(1, min(size - self.size(smaller), size - self.limit))
            felt[block] = self.loss.of(smaller, loss + (least * saved if least > 0 else least)) - loss
            self._tell()
            damage = felt[block] / saved if felt[block] > 0 else felt[block]
            if damage < least:
                best, least = block, damage
        return best

    def _put_back(self, gone: list[ResidualBlock], loss: float) -> list[ResidualBlock]:
        """Keep each block that turns out to be worth more than the limit needs; the most valuable first."""
        while True:
            options = []
            for block in gone:
                fewer = [other for other in gone if other is not block]
                larger = without_blocks(self.whole, fewer)
                if self.size(larger) <= self.limit:
                    options.append((self.loss.of(larger), fewer))
                    self._tell()
            best, fewer = min(options, key=lambda option: option[0], default=(math.inf, gone))
            if best >= loss:
                return gone
            gone, loss = fewer, best

    def _expected_measurements(self) -> int:
        """As many as it takes where all blocks save the same; what they really save shows on the way."""
        size = self.size(self.whole)
        possible = size - self.size(without_blocks(self.whole, self.blocks))
        rounds = math.ceil((size - self.limit) / possible * len(self.blocks))
        return sum(len(self.blocks) - index for index in range(rounds))

    def _tell(self) -> None:
        self._measured += 1
        progress(
            self.report,
            self.phase,
            done=self._measured,
            total=max(self._expected, self._measured),
            unit="networks",
            seconds=time.monotonic() - self._started,
        )
