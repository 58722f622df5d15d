"""Networks to model files and back: ours, which carry their graph, and foreign state_dicts."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from ..artifact.read import ModelFile, read_model
from ..artifact.write import write_model
from ..errors import UserError
from ..graph.codec import from_json, to_json
from ..graph.trace import trace
from .architectures import architecture, check_settings, default_image_size, family
from .resnet import Stem

FORMAT = 1
_SHOWN_MISMATCHES = 3
_MAX_IMAGE_SIZE = 4096


@dataclass(frozen=True)
class LoadedModel:
    """A network out of a file.

    Attributes:
        network: on the CPU, in evaluation mode; takes normalised images (N, 3, H, W).
        record: the file's record (schema/record.schema.json); for a foreign file only its `model`, as far
            as it was found out: arch, family, num_classes, stem, image_size.
        sha256: of the file, in hexadecimal.
        bytes: size of the file.
    """

    network: fx.GraphModule
    record: dict[str, Any]
    sha256: str
    bytes: int


def save_model(path: Path, network: fx.GraphModule, record: Mapping[str, Any]) -> tuple[str, int]:
    """Write the network and its record, to which `format` and `graph` are added; SHA-256 and size in bytes.

    A Linear with int8 weights is written as the integers, their scales and the bias.

    Args:
        path: replaced whole or not at all.
        network: traced; every node on the allowlist.
        record: must hold `model` with `arch`, `num_classes` and `image_size`, which `load_model` checks.

    Raises:
        UserError: ``graph_not_allowed``, or the place cannot be written to.
        MachineError: no room, or the disk failed.
    """
    return write_model(path, network.state_dict(), {**record, "format": FORMAT, "graph": to_json(network)})


def load_model(
    path: Path,
    *,
    arch: str | None = None,
    num_classes: int | None = None,
    stem: Stem | None = None,
    image_size: int | None = None,
) -> LoadedModel:
    """Read a network from a file.

    A file of ours is rebuilt from its graph. A foreign state_dict is put into a fresh `arch`; its stem and
    number of classes are read off the weights.

    Args:
        path: the file.
        arch: the architecture it must have; needed for a foreign file.
        num_classes: the number of classes it must have.
        stem: for a foreign file, where the weights do not tell.
        image_size: in pixels, for a foreign file; None: the architecture's default.

    Raises:
        UserError: the file cannot be read, holds another network than asked for, or does not fit its graph.
    """
    file = read_model(path)
    if file.record is None:
        network, record = _foreign(path, file.tensors, arch, num_classes, stem, image_size)
    else:
        network, record = _ours(path, file, file.record, arch, num_classes)
    return LoadedModel(network.eval(), record, file.sha256, file.bytes)


def _ours(
    path: Path, file: ModelFile, record: dict[str, Any], arch: str | None, num_classes: int | None
) -> tuple[fx.GraphModule, dict[str, Any]]:
    if record.get("format") != FORMAT:
        raise UserError(
            "model_format_unknown",
            f"{path}: expected format {FORMAT}, found {record.get('format')!r}",
            "Update capstone: a newer one wrote this file",
        )
    model = record.get("model")
    if not isinstance(model, dict):
        raise UserError(
            "model_record_invalid",
            f"{path}: its record does not say which network it holds",
            "The file is damaged or was changed after it was written: make it again",
        )
    if arch is not None and model.get("arch") != arch:
        raise UserError(
            "model_wrong_arch",
            f"{path}: expected {arch}, the file holds {model.get('arch')}",
            f"Name the model {model.get('arch')}, or another file",
        )
    _check_classes(path, model.get("num_classes"), num_classes)
    try:
        network = from_json(record.get("graph"))
    except UserError as error:
        raise UserError(error.code, f"{path}: {error.message}", error.hint) from None
    _check_runs(path, network, model)
    _fill(path, network, file.tensors, "its graph")
    return network, record


def _foreign(
    path: Path,
    tensors: Mapping[str, Tensor],
    arch: str | None,
    num_classes: int | None,
    stem: Stem | None,
    image_size: int | None,
) -> tuple[fx.GraphModule, dict[str, Any]]:
    if arch is None:
        raise UserError(
            "model_arch_needed",
            f"{path}: not written by capstone, so it does not say which network it belongs to",
            "Name the architecture with --model",
        )
    known = architecture(arch)
    head = tensors.get(f"{known.head}.weight")
    if head is None or head.ndim != 2:
        raise UserError(
            "model_wrong_arch",
            f"{path}: the weights are not those of {arch}: {known.head}.weight is missing or no matrix",
            "Name the architecture that the weights belong to",
        )
    found = len(head)
    _check_classes(path, found, num_classes)
    stem, image_size = stem or known.stem_of(tensors), image_size or default_image_size(arch)
    check_settings(arch, stem=stem, image_size=image_size)
    with torch.device("meta"):
        network = trace(known.build(found, stem, image_size))
    counters = {  # not in files from before torch 0.4.1; no result depends on it
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name.endswith(".num_batches_tracked")
    }
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    _fill(path, network, {**counters, **floats}, arch)
    model = {
        "arch": arch,
        "family": family(arch),
        "num_classes": found,
        "stem": stem,
        "image_size": image_size,
    }
    return network, {"model": model}


def _check_classes(path: Path, found: object, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise UserError(
            "model_wrong_classes",
            f"{path}: expected {expected} classes, the file has {found}",
            f"Use --num-classes {found} with its data set, or name another file",
        )


def _check_runs(path: Path, network: fx.GraphModule, model: Mapping[str, Any]) -> None:
    """Run the graph on shapes alone, so that one that does not fit together is refused here and not later."""
    size, classes = model.get("image_size"), model.get("num_classes")
    if type(size) is not int or not 1 <= size <= _MAX_IMAGE_SIZE:
        raise _graph_invalid(path, f"image_size is {size!r}")
    network.eval()
    try:
        # the interpreter: a GraphModule's own call prints a failure to stderr
        shape = tuple(_Dry(network).run(torch.empty(2, 3, size, size, device="meta")).shape)
    except Exception as error:  # whatever torch raises for a graph that somebody else wrote
        reason = str(error).partition("\n")[0]
        raise _graph_invalid(path, f"it does not run on images of {size} pixels: {reason}") from None
    if shape != (2, classes):
        raise _graph_invalid(path, f"it gives {shape} for 2 images and {classes} classes")


class _Dry(fx.Interpreter):
    """Runs a graph and keeps its tuples and lists from growing: doubled 30 times they fill the memory."""

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - fx's own
        if target in (operator.add, operator.iadd) and any(isinstance(value, tuple | list) for value in args):
            raise TypeError(f"{target.__name__} of something that is no tensor")
        return super().call_function(target, args, kwargs)


def _graph_invalid(path: Path, reason: str) -> UserError:
    return UserError(
        "graph_invalid",
        f"{path}: the network's graph: {reason}",
        "The file is damaged or was changed after it was written: make it again",
    )


def _fill(path: Path, network: fx.GraphModule, tensors: Mapping[str, Tensor], fits: str) -> None:
    """Give the network on the meta device the tensors as its own; refused unless all fit, name for name."""
    expected = network.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    problems += [f"{name} is not part of it" for name in tensors if name not in expected]
    problems += [
        f"{name} is {_shape(tensors[name])}, expected {_shape(tensor)}"
        for name, tensor in expected.items()
        if name in tensors and _shape(tensors[name]) != _shape(tensor)
    ]
    if problems:
        more = len(problems) - _SHOWN_MISMATCHES
        shown = "; ".join(problems[:_SHOWN_MISMATCHES]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(
            "model_does_not_fit",
            f"{path}: its weights do not fit {fits}: {shown}",
            "Name the architecture and stem that the weights belong to",
        )
    network.to_empty(device="cpu")
    network.load_state_dict(tensors)


def _shape(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
