"""The step `prune_structured`: whole channels removed, so that every runtime is faster and the file smaller.

Which channels must go together (through residual additions, batch norms, depthwise convolutions) is found by
torch-pruning's dependency graph (Fang et al. 2023, arXiv 2301.12900); which go first is said by the
importance of such a group, for what it costs.

ResNet-18 with the CIFAR stem (94.15 % on CIFAR-10), 60 and 85 % of its parameters gone, accuracy on 1,000
test images with batch norms that saw 1,000 others and nothing trained, one run each: `taylor` for its cost
93.2 and 64.7 %; not for its cost 92.7 and 32.6; `l2` over the network 10, each layer alike 77.9 and 27.6.
"""

from __future__ import annotations

import copy
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import fx, nn
from torch.nn import functional as F

from ..data.subset import balanced_subset
from ..errors import MachineError, Stopped, UserError
from ..measure.macs import macs
from ..report import Report, progress
from ..training.batches import normalized
from .base import Applied, Context
from .latency_goal import DEFAULT_BATCH_SIZE, LatencyGoal, time_against

ROUNDS = 64
"""In which the channels are removed, those that remain being ranked anew in each."""
LARGEST_SHARE = 0.9
"""Of the channels of a layer that may go: a layer with hardly any ends the network."""
TAYLOR_SAMPLES = 256
TAYLOR_EVERY = 4
"""Rounds: between them the gradients are cut along with their weights."""
TAYLOR_BATCH = 128

Target = Literal["macs", "params", "latency"]
Size = Literal["macs", "params"]
Importance = Literal["l2", "taylor", "bn_scale"]


@dataclass(frozen=True)
class PruneStructured:
    """Remove channels until `ratio` (0 < ratio < 1) of the target is gone.

    Attributes:
        target: `macs` of one image, `params`, or `latency`, see `latency_goal`: what that one makes depends
            on the machine and differs from time to time.
        ratio: share of it that goes, at least.
        importance: of a group of channels: `taylor`, how much the loss would change to first order,
            |weight * gradient| over some training images (Molchanov et al. 2019, arXiv 1906.10771); `l2`, the
            norm of its weights (Li et al. 2017, arXiv 1608.08710); `bn_scale`, the scale of its batch norms
            (Liu et al. 2017, arXiv 1708.06519).
        scope: rank all groups of the network together, by importance for what they cost of the target (of
            `latency`: of `macs`); or those of each layer, of which each then loses the same share.
        round_to: the channels that remain in a layer are a multiple of it, where there are that many.
        latency_batch_size: of the timed calls, from 1; None: 1. Only for the target `latency`.
    """

    target: Target
    ratio: float
    importance: Importance
    scope: Literal["global", "layer"]
    round_to: int
    latency_batch_size: int | None = None
    name: ClassVar[str] = "prune_structured"

    def __post_init__(self) -> None:
        """Refuse a batch size without its target or out of range, by UserError ``step_invalid``."""
        if self.latency_batch_size is None:
            return
        if self.target != "latency":
            raise UserError(
                "step_invalid",
                f"prune_structured, latency_batch_size: expected none beside target {self.target}, "
                f"found {self.latency_batch_size}",
                "Leave it out, or set target to latency",
            )
        if self.latency_batch_size < 1:
            raise UserError(
                "step_invalid",
                f"prune_structured, latency_batch_size: expected a number from 1, "
                f"found {self.latency_batch_size}",
                "Leave it out for the default, 1",
            )

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The smaller network; the record tells `macs` and `params`, each before and after.

        For the target `latency` also what `LatencyGoal.record` tells.

        Raises:
            UserError: ``target_out_of_reach``, ``prune_impossible``.
            MachineError: ``package_missing``: this interpreter has no torch-pruning.
            Stopped: asked to stop.
        """
        pruned = copy.deepcopy(network).eval().requires_grad_(True)
        images = torch.zeros(1, 3, context.image_size, context.image_size)
        before = {what: size(pruned, context.image_size) for what, size in _SIZES.items()}
        goal = self._goal(pruned, before, context)
        pruner = _pruner(pruned, images, self)
        started = time.monotonic()
        for done in range(1, ROUNDS + 1):
            if context.should_stop():
                raise Stopped
            if self.importance == "taylor" and done % TAYLOR_EVERY == 1:
                _fill_gradients(pruned, context)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of groups that are down to their last channels
                pruner.step()
            is_reached = goal.is_reached(pruned, is_last=done == ROUNDS)
            seconds = time.monotonic() - started
            progress(report, self.name, done=done, total=ROUNDS, unit="rounds", seconds=seconds)
            if is_reached:
                break
        else:
            raise UserError(
                "target_out_of_reach",
                f"prune_structured: {goal.removed:.0%} of the {goal.what} can be removed, "
                f"{self.ratio:.0%} are wanted",
                "Lower ratio, or prune_depth before it",
            )
        for parameter in pruned.parameters():
            parameter.grad = None
        settings = {name: value for name, value in self.__dict__.items() if value is not None}
        record = {"step": self.name, **settings}
        for what, size in _SIZES.items():
            record |= {f"{what}_before": before[what], f"{what}_after": size(pruned, context.image_size)}
        return Applied(pruned, record | goal.record())

    def _goal(self, network: fx.GraphModule, before: Mapping[Size, int], context: Context) -> _Goal:
        if self.target != "latency":
            return _SizeGoal(self.target, self.ratio, before[self.target], context.image_size)
        batch_size = self.latency_batch_size or DEFAULT_BATCH_SIZE
        times = time_against(network, context.image_size, batch_size, context.should_stop)
        return LatencyGoal(self.ratio, batch_size, context.image_size, before["macs"], times)


_SIZES: dict[Size, Callable[[nn.Module, int], int]] = {
    "macs": macs,
    "params": lambda network, _: sum(parameter.numel() for parameter in network.parameters()),
}
"""size(network, image_size)"""


class _Goal(Protocol):
    """When enough is gone; `removed` is the share of `what` it counts, as far as it was seen to go."""

    @property
    def what(self) -> str: ...
    @property
    def removed(self) -> float: ...
    def is_reached(self, network: fx.GraphModule, *, is_last: bool) -> bool: ...
    def record(self) -> dict[str, Any]: ...


@dataclass
class _SizeGoal:
    """At least the share `ratio` of a size is gone, of which there was `before`."""

    what: Size
    ratio: float
    before: int
    image_size: int
    removed: float = 0.0

    def is_reached(self, network: fx.GraphModule, *, is_last: bool) -> bool:
        left = _SIZES[self.what](network, self.image_size)
        self.removed = 1 - left / self.before
        return left <= (1 - self.ratio) * self.before

    def record(self) -> dict[str, Any]:
        """Nothing besides the sizes, which every record has."""
        return {}


def _pruner(network: fx.GraphModule, images: torch.Tensor, step: PruneStructured) -> Any:  # noqa: ANN401 - torch-pruning has no types
    if importlib.util.find_spec("torch_pruning") is None:
        raise MachineError(
            "package_missing",
            f"prune_structured: {sys.executable} lacks torch-pruning",
            f"Install it there: {sys.executable} -m pip install torch-pruning==1.6.1",
        )
    import torch_pruning

    # Its default dicts are shared between all pruners of a process: each gets its own. For parameters that
    # belong to no layer of torch's its default is None, which it fills itself; with a dict it fails.
    fresh: dict[str, dict[object, object]] = {
        name: {}
        for name in (
            "pruning_ratio_dict",
            "in_channel_groups",
            "out_channel_groups",
            "num_heads",
            "customized_pruners",
            "channel_groups",
            "head_pruning_ratio_dict",
        )
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that such parameters are cut along their last dimension
            return torch_pruning.pruner.BasePruner(
                network,
                images,
                importance=_Importance(network, images, step),
                global_pruning=step.scope == "global",
                pruning_ratio=1.0,
                max_pruning_ratio=LARGEST_SHARE,
                iterative_steps=ROUNDS,
                round_to=step.round_to,
                ignored_layers=_last_layers(network),
                **fresh,
            )
    except Exception as error:  # whatever it raises for a network that it does not understand
        raise UserError(
            "prune_impossible",
            f"prune_structured: the channels of this network cannot be told apart: {error}",
            "Use prune_magnitude or prune_depth for it",
        ) from error


class _Importance:
    """The importance of each channel of a group, as torch-pruning asks for it."""

    def __init__(self, network: fx.GraphModule, images: torch.Tensor, step: PruneStructured) -> None:
        from torch_pruning import function, importance

        self._of = {
            "l2": lambda: importance.GroupMagnitudeImportance(p=2),
            "taylor": lambda: importance.GroupTaylorImportance(group_reduction="sum", normalizer=None),
            "bn_scale": importance.BNScaleImportance,
        }[step.importance]()
        self._output_channels = (function.prune_conv_out_channels, function.prune_linear_out_channels)
        self._for_its_cost = step.scope == "global"
        # What a channel takes of the time cannot be told alone: its multiplications stand for it.
        self._positions = {} if step.target == "params" else _output_positions(network, images)

    def __call__(self, group: Any) -> torch.Tensor | None:  # noqa: ANN401 - torch-pruning has no types
        """(channels,) float, higher for those to keep; None where the group has none to prune."""
        scores: torch.Tensor | None = self._of(group)
        return scores / self._cost(group) if scores is not None and self._for_its_cost else scores

    def _cost(self, group: Any) -> float:  # noqa: ANN401
        """Parameters or multiply-accumulates of one channel of the group, in all layers that go with it."""
        cost = 0.0
        for dependency, _ in group:
            layer = dependency.layer
            if isinstance(layer, nn.Conv2d | nn.Linear):
                axis = 0 if dependency.handler in self._output_channels else 1
                cost += layer.weight.numel() / layer.weight.shape[axis] * self._positions.get(layer, 1)
        return max(cost, 1.0)


def _output_positions(network: fx.GraphModule, images: torch.Tensor) -> dict[nn.Module, int]:
    """How often each convolution's kernel is applied to one image; the stride's doing, so no pruning's."""
    positions: dict[nn.Module, int] = {}
    hooks = [
        module.register_forward_hook(
            lambda module, _, output: positions.__setitem__(module, output.shape[2:].numel())
        )
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return positions


def _last_layers(network: fx.GraphModule) -> list[nn.Module]:
    """The layers whose channels are the classes: those that the output comes from with none between."""
    modules = dict(network.named_modules())
    waiting = list(next(iter(reversed(network.graph.nodes))).all_input_nodes)
    last: list[nn.Module] = []
    while waiting:
        node = waiting.pop()
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d | nn.Linear):
            last.append(module)
        else:
            waiting.extend(node.all_input_nodes)
    return last


def _fill_gradients(network: fx.GraphModule, context: Context) -> None:
    """The gradients of the mean loss over some training images, in each parameter's `grad`."""
    data = context.load()
    chosen = balanced_subset(data.train_labels, TAYLOR_SAMPLES, seed=0)
    network.zero_grad()
    for part in chosen.split(TAYLOR_BATCH):
        logits = network(normalized(data.train_images[part], data.mean, data.std))
        (F.cross_entropy(logits, data.train_labels[part], reduction="sum") / len(chosen)).backward()
