"""Networks to model files and back: ours, which carry their graph, and foreign state_dicts."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from ..artifact.archive import REMAKE
from ..artifact.entropy_coding import forget_streams
from ..artifact.packed_layout import PackError
from ..artifact.read import ModelFile, read_model
from ..artifact.write import write_model
from ..errors import UserError
from ..graph.codec import from_json, to_json
from ..graph.int8_static import LARGEST, QuantizeEdge
from ..graph.int8_weight import Int8Weight
from .fits import check_classes, check_fits
from .foreign import custom_network, foreign_network
from .own_code import Code
from .packed import PAYLOAD, Contents, contents, mark, pack, packing_of
from .resnet import Stem

FORMAT = 1
UPDATE = "Update capstone: a newer one wrote this file"
_MAX_IMAGE_SIZE = 4096


@dataclass(frozen=True)
class LoadedModel:
    """A network out of a file.

    Attributes:
        network: on the CPU, in evaluation mode; takes normalised images (N, 3, H, W).
        record: the file's record (schema/record.schema.json); for a foreign file only its `model`, as far
            as it was found out: arch, family, num_classes, stem, image_size. `graph` is the graph itself,
            also where the file is packed.
        sha256: of the file, in hexadecimal.
        bytes: size of the file.
    """

    network: fx.GraphModule
    record: dict[str, Any]
    sha256: str
    bytes: int


def save_model(path: Path, network: fx.GraphModule, record: Mapping[str, Any]) -> tuple[str, int]:
    """Write the network and its record, to which `format` and `graph` are added; SHA-256 and size in bytes.

    A Linear with int8 weights is written as the integers, their scales and the bias. A network that is marked
    (`packed.mark`) is written packed.

    Args:
        path: replaced whole or not at all.
        network: traced; every node on the allowlist.
        record: must hold `model` with `arch`, `num_classes` and `image_size`, which `load_model` checks.

    Raises:
        UserError: ``graph_not_allowed``, or the place cannot be written to.
        MachineError: no room, or the disk failed.
        ValueError: weights were changed after they were quantized for packing.
    """
    packing = packing_of(network)
    if packing is None:
        tensors, graph = network.state_dict(), to_json(network)
    else:
        payload, graph = pack(network, packing)
        forget_streams()
        tensors = {PAYLOAD: payload}
    return write_model(path, tensors, {**record, "format": FORMAT, "graph": graph})


def load_model(
    path: Path,
    *,
    arch: str | None = None,
    num_classes: int | None = None,
    stem: Stem | None = None,
    image_size: int | None = None,
    code: Code | None = None,
) -> LoadedModel:
    """Read a network from a file.

    A file of ours is rebuilt from its graph. A foreign state_dict is put into a fresh `arch`; its stem and
    number of classes are read off the weights. Position embeddings made for another image size are
    interpolated.

    Args:
        path: the file.
        arch: the architecture it must have; needed for a foreign file.
        num_classes: the number of classes it must have.
        stem: for a foreign file, where the weights do not tell.
        image_size: in pixels, for a foreign file; None: the architecture's default.
        code: what makes the network of a foreign file that is not built in; executed. Needs `image_size`.

    Raises:
        UserError: the file cannot be read, holds another network than asked for, or does not fit its graph.
    """
    file = read_model(path)
    if file.record is None and code is not None and image_size is not None:
        network, record = custom_network(path, file.tensors, code, num_classes, image_size)
    elif file.record is None:
        network, record = foreign_network(path, file.tensors, arch, num_classes, stem, image_size)
    else:
        network, record = _ours(path, file, file.record, arch, num_classes)
    return LoadedModel(network.eval(), record, file.sha256, file.bytes)


def check_format(path: Path, record: Mapping[str, Any]) -> None:
    """That a record of ours is one that this program can read.

    Raises:
        UserError: ``model_format_unknown``.
    """
    if record.get("format") != FORMAT:
        raise UserError(
            "model_format_unknown",
            f"{path}: expected format {FORMAT}, found {record.get('format')!r}",
            UPDATE,
        )


def _ours(
    path: Path, file: ModelFile, record: dict[str, Any], arch: str | None, num_classes: int | None
) -> tuple[fx.GraphModule, dict[str, Any]]:
    check_format(path, record)
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
    check_classes(path, model.get("num_classes"), num_classes)
    try:
        packed = contents(file.tensors, record.get("graph"))
        return _rebuilt(path, file.tensors, packed, record, model)
    except PackError as error:
        hint = UPDATE if error.code == "model_format_unknown" else REMAKE
        raise UserError(error.code, f"{path}: {error.reason}", hint) from None


def _rebuilt(
    path: Path,
    tensors: Mapping[str, Tensor],
    packed: Contents | None,
    record: dict[str, Any],
    model: Mapping[str, Any],
) -> tuple[fx.GraphModule, dict[str, Any]]:
    """The network of a graph and its tensors, and the record with that graph."""
    graph = packed.graph if packed else record.get("graph")
    try:
        network = from_json(graph)
    except UserError as error:
        raise UserError(error.code, f"{path}: {error.message}", error.hint) from None
    _check_runs(path, network, model)
    check_fits(path, packed.tensors if packed else tensors, network.state_dict(), "its graph")
    if packed:
        tensors, packing = packed.unpack()
        mark(network, packing)
    network.to_empty(device="cpu")
    network.load_state_dict(tensors)
    _check_scales(path, network)
    return network, {**record, "graph": graph}


def _check_scales(path: Path, network: fx.GraphModule) -> None:
    """What integers stand for is a number: an engine would compute on with anything else."""
    for name, module in network.named_modules():
        if not isinstance(module, Int8Weight | QuantizeEdge):
            continue
        if not ((module.scale > 0) & module.scale.isfinite()).all():
            raise _scale_invalid(path, f"a scale of {name} is not a finite number above 0")
        if isinstance(module, QuantizeEdge) and not 0 <= int(module.zero_point) <= LARGEST:
            zero_point = int(module.zero_point)
            raise _scale_invalid(path, f"the zero point of {name} is {zero_point}, not 0 to {LARGEST}")


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


def _scale_invalid(path: Path, reason: str) -> UserError:
    return UserError("model_scale_invalid", f"{path}: {reason}", REMAKE)


def _graph_invalid(path: Path, reason: str) -> UserError:
    return UserError(
        "graph_invalid",
        f"{path}: the network's graph: {reason}",
        "The file is damaged or was changed after it was written: make it again",
    )
