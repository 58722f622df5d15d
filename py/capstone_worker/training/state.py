"""Training state on disk, from which a training goes on as if it had never been stopped.

A folder holds the two newest states as model files (`<epoch>-<step>.pt`, tensors and a JSON record, no
pickled objects); should the newer be torn, the older is used.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from ..artifact.read import ModelFile, read_model
from ..artifact.write import write_model
from ..errors import CapstoneError, UserError
from ..report import Report, log

FORMAT = "training_state 4"
GENERATIONS = 2


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: epochs finished.
        step: steps finished in this epoch.
        seen: images seen in this epoch.
        loss_sum: sum of their losses.
        correct: how many of them were classified correctly when seen.
        seconds: spent in steps since the beginning, over all processes.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0

    def begin_next_epoch(self) -> None:
        """Count this epoch as finished."""
        self.epoch += 1
        self.step = self.seen = self.correct = 0
        self.loss_sum = 0.0


@dataclass(frozen=True)
class Stateful:
    """What changes from step to step.

    Attributes:
        network: that is trained.
        optimizer: of its parameters.
        average: of its weights, with the number of steps in it; None where none are averaged.
    """

    network: nn.Module
    optimizer: Optimizer
    average: nn.Module | None = None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """By the name that begins their tensors' names."""
        named = {"model": self.network, "average": self.average}
        return {name: network for name, network in named.items() if network is not None}


def save(folder: Path, training: Stateful, progress: Progress) -> None:
    """Add a state and remove all but the newest two.

    Raises:
        UserError, MachineError: as `artifact.write.write_atomic`.
    """
    tensors = {
        f"{kind}.{name}": tensor
        for kind, network in training.networks.items()
        for name, tensor in network.state_dict().items()
    }
    for index, values in training.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in values.items()}
    path = folder / f"{progress.epoch:06d}-{progress.step:08d}.pt"
    write_model(path, tensors, {"format": FORMAT, "progress": asdict(progress)})
    for old in _newest_first(folder)[GENERATIONS:]:
        old.unlink(missing_ok=True)  # another run that trains the same may have been faster


def restore(folder: Path, training: Stateful, report: Report) -> Progress | None:
    """Put networks and optimizer into the newest readable state; None, and nothing done, without one.

    A state that cannot be read, or is not of this training, is removed and a warning logged.
    """
    for path in _newest_first(folder):
        try:
            state = read_model(path)
            _check_fits(path, state, training)
        except CapstoneError as error:
            log(report, "warning", f"Training state unusable, using the one before: {error.message}")
            path.unlink(missing_ok=True)
            continue
        return _apply(state, training)
    return None


def _check_fits(path: Path, state: ModelFile, training: Stateful) -> None:
    """Refuse what another version wrote, or a training of a network of other shapes.

    Raises:
        UserError: ``training_state_unfit``.
    """
    found = {
        name: tensor.shape
        for name, tensor in state.tensors.items()
        if name.partition(".")[0] in ("model", "average")
    }
    expected = {
        f"{kind}.{name}": tensor.shape
        for kind, network in training.networks.items()
        for name, tensor in network.state_dict().items()
    }
    if (state.record or {}).get("format") != FORMAT or found != expected:
        raise UserError("training_state_unfit", f"{path} is of another training or version", "")


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.pt"), reverse=True)


def _apply(state: ModelFile, training: Stateful) -> Progress:
    record = state.record or {}
    for kind, network in training.networks.items():
        own = {name: tensor for name, tensor in state.tensors.items() if name.startswith(f"{kind}.")}
        network.load_state_dict({name.removeprefix(f"{kind}."): tensor for name, tensor in own.items()})
    optimizer = training.optimizer
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    values: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in state.tensors.items():
        kind, index, *key = name.split(".", 2)
        if kind == "optimizer":
            parameter = parameters[int(index)]
            # In the parameter's memory format: kernels over mixed formats round differently.
            kept = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
            values.setdefault(int(index), {})[key[0]] = kept
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**record["progress"])
